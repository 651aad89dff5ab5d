import streams from '@eventstore/db-client/generated/streams_pb.js';
import type { BatchAppendResp } from '@eventstore/db-client/generated/streams_pb.js';
import { AppendRefused } from '../event-store.js';
import { readCount, readMessage, readPart, type TakeField } from './wire.js';

/** The server did not say what became of an append. */
export class AppendUnanswered extends Error {
  readonly code = 'append-unanswered';
  readonly retryable = true;
}

/** What became of an append, in the server's counts. */
export type Answer =
  | { readonly status: 'written'; readonly revision: number; readonly commit: number }
  | { readonly status: 'conflict' }
  | { readonly status: 'unknown'; readonly cause: unknown };

/** The answer to the append that was sent under this number. */
export type AppendResponse = { readonly number: number; readonly answer: Answer };

const CORRELATION_PREFIX = '00000000-0000-4000-8000-';
const CORRELATION_DIGITS = 12;
const CORRELATION_MASK = 0xffff_ffff_ffffn;

/** Numbers of appends travel as UUIDs. */
export const correlationOf = (number: number): string =>
  CORRELATION_PREFIX + number.toString(16).padStart(CORRELATION_DIGITS, '0');

const numberOf = (correlation: string): number => Number.parseInt(correlation.slice(CORRELATION_PREFIX.length), 16);

/** A response of the call that carries appends, from the bytes of a `BatchAppendResp`. */
export const appendResponse = (bytes: Buffer): AppendResponse => {
  const written = new Written();
  readMessage(bytes, written, takeResponse);
  const { correlation, revision, commit } = written;
  if (correlation !== '' && commit !== null) {
    return { number: numberOf(correlation), answer: { status: 'written', revision, commit } };
  }
  return rareResponse(streams.BatchAppendResp.deserializeBinary(bytes));
};

/** What the response to an append says that is in the log now. */
class Written {
  correlation = '';
  revision = 0;
  commit: number | null = null;
}

const takeResponse: TakeField<Written> = (written, field, reader) => {
  switch (field) {
    case 1:
      readPart(reader, written, takeCorrelation);
      return true;
    case 3:
      readPart(reader, written, takeSuccess);
      return true;
    default:
      return false;
  }
};

const takeCorrelation: TakeField<Written> = (written, field, reader) => {
  if (field !== 2) return false;
  written.correlation = reader.string();
  return true;
};

const takeSuccess: TakeField<Written> = (written, field, reader) => {
  switch (field) {
    case 1:
      written.revision = readCount(reader);
      return true;
    case 3:
      // A position of zero is left out.
      written.commit = 0;
      readPart(reader, written, takePosition);
      return true;
    default:
      return false;
  }
};

const takePosition: TakeField<Written> = (written, field, reader) => {
  if (field !== 1) return false;
  written.commit = readCount(reader);
  return true;
};

const rareResponse = (resp: BatchAppendResp): AppendResponse => {
  const id = resp.getCorrelationId();
  // When its own timer has fired, the server answers with two halves.
  const halves = id?.getStructured();
  const number =
    halves === undefined
      ? numberOf(id?.getString() ?? '')
      : Number(BigInt(halves.getLeastSignificantBits()) & CORRELATION_MASK);
  // It was in the stream, and somebody has deleted that since: nothing is written, and nothing is there.
  return { number, answer: resp.hasSuccess() ? { status: 'conflict' } : refusalOf(resp) };
};

/** Answers after which a repeat has the same answer. */
const PERMANENT: Readonly<Record<string, string>> = {
  'event_store.client.StreamDeleted': 'the stream was deleted for ever',
  'event_store.client.AccessDenied': 'the user of the connection string may not write to the stream',
  'event_store.client.MaximumAppendSizeExceeded': 'the append is larger than the server takes',
  'event_store.client.BadRequest': 'the server does not understand the append',
};

const refusalOf = (resp: BatchAppendResp): Answer => {
  const error = resp.getError();
  const name = error?.getDetails()?.getTypeName() ?? '';
  if (name === 'event_store.client.WrongExpectedVersion') return { status: 'conflict' };
  const permanent = PERMANENT[name];
  if (permanent !== undefined) return { status: 'unknown', cause: new AppendRefused(permanent) };
  return { status: 'unknown', cause: new AppendUnanswered(error?.getMessage() ?? 'an answer without a result') };
};
