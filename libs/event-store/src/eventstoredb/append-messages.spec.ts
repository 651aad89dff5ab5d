import { describe, expect, it } from '@jest/globals';
import shared from '@eventstore/db-client/generated/shared_pb.js';
import statuses from '@eventstore/db-client/generated/status_pb.js';
import streams from '@eventstore/db-client/generated/streams_pb.js';
import fc from 'fast-check';
import any from 'google-protobuf/google/protobuf/any_pb.js';
import empty from 'google-protobuf/google/protobuf/empty_pb.js';
import { AppendRefused } from '../event-store.js';
import { appendRequestBytes, type ServerAppend } from './append-request.js';
import { appendResponse, AppendUnanswered, correlationOf } from './append-response.js';

const text = fc.string({ unit: 'binary', minLength: 1, maxLength: 300 });

const uuid = (id: string) => {
  const made = new shared.UUID();
  made.setString(id);
  return made;
};

const responseOf = (number: number, fill: (resp: InstanceType<typeof streams.BatchAppendResp>) => void) => {
  const resp = new streams.BatchAppendResp();
  resp.setCorrelationId(uuid(correlationOf(number)));
  fill(resp);
  return Buffer.from(resp.serializeBinary());
};

const success = (revision: bigint, commit: bigint | null) => {
  const written = new streams.BatchAppendResp.Success();
  written.setCurrentRevision(String(revision));
  if (commit === null) written.setNoPosition(new shared.Empty());
  else {
    const position = new shared.AllStreamPosition();
    position.setCommitPosition(String(commit));
    position.setPreparePosition(String(commit));
    written.setPosition(position);
  }
  return written;
};

const refusal = (name: string) => {
  const error = new statuses.Status();
  error.setMessage(`because of ${name}`);
  const details = new any.Any();
  details.pack(new empty.Empty().serializeBinary(), name);
  error.setDetails(details);
  return error;
};

const append = fc.record({
  stream: text,
  expected: fc.oneof(fc.constantFrom(-1, 0, 127, 128), fc.maxSafeNat()),
  events: fc.array(fc.record({ id: fc.uuid(), type: text, data: text, metadata: text }), {
    minLength: 1,
    maxLength: 4,
  }),
});

const byGeneratedClasses = (correlation: string, given: ServerAppend): Buffer => {
  const options = new streams.BatchAppendReq.Options();
  const identifier = new shared.StreamIdentifier();
  identifier.setStreamName(Buffer.from(given.stream));
  options.setStreamIdentifier(identifier);
  if (given.expected < 0) options.setNoStream(new shared.Empty());
  else options.setStreamPosition(String(given.expected));
  const req = new streams.BatchAppendReq();
  req.setCorrelationId(uuid(correlation));
  req.setOptions(options);
  for (const event of given.events) {
    const message = new streams.BatchAppendReq.ProposedMessage();
    message.setId(uuid(event.id));
    message.getMetadataMap().set('type', event.type).set('content-type', 'application/json');
    message.setData(Buffer.from(event.data));
    message.setCustomMetadata(Buffer.from(event.metadata));
    req.addProposedMessages(message);
  }
  req.setIsFinal(true);
  return Buffer.from(req.serializeBinary());
};

describe('a request to append', () => {
  it('is to the byte what the generated classes write', () => {
    fc.assert(
      fc.property(append, fc.uuid(), (given, correlation) => {
        expect(appendRequestBytes(correlation, given)).toEqual(byGeneratedClasses(correlation, given));
      }),
    );
  });
});

describe('a response to an append', () => {
  it('says where it was written, as the generated classes have written it', () => {
    const count = fc.bigInt({ min: 0n, max: 2n ** 63n - 1n });
    fc.assert(
      fc.property(fc.nat(), count, count, (number, revision, commit) => {
        const bytes = responseOf(number, (resp) => {
          resp.setSuccess(success(revision, commit));
          const identifier = new shared.StreamIdentifier();
          identifier.setStreamName(Buffer.from('run-00'));
          resp.setStreamIdentifier(identifier);
          resp.setStreamPosition(String(revision));
        });
        const answer = { status: 'written', revision: Number(revision), commit: Number(commit) };
        expect(appendResponse(bytes)).toEqual({ number, answer });
      }),
    );
  });

  it('is a conflict when nothing is in the log any more of what was written', () => {
    const bytes = responseOf(7, (resp) => resp.setSuccess(success(3n, null)));
    expect(appendResponse(bytes)).toEqual({ number: 7, answer: { status: 'conflict' } });
  });

  it('is known by its number too when the server gives that in two halves', () => {
    const number = 0x1234_5678_9abc;
    const bytes = responseOf(number, (resp) => {
      const halves = new shared.UUID.Structured();
      const bits = BigInt.asIntN(64, BigInt(`0x${correlationOf(number).slice(-17).replace('-', '')}`));
      halves.setLeastSignificantBits(String(bits));
      halves.setMostSignificantBits('16384');
      resp.getCorrelationId()!.setStructured(halves);
      resp.setError(refusal('event_store.client.Timeout'));
    });
    expect(appendResponse(bytes)).toMatchObject({ number, answer: { status: 'unknown' } });
  });

  it.each([
    ['event_store.client.WrongExpectedVersion', { status: 'conflict' }],
    ['event_store.client.StreamDeleted', { status: 'unknown', cause: expect.any(AppendRefused) }],
    ['event_store.client.AccessDenied', { status: 'unknown', cause: expect.any(AppendRefused) }],
    ['event_store.client.MaximumAppendSizeExceeded', { status: 'unknown', cause: expect.any(AppendRefused) }],
    ['event_store.client.BadRequest', { status: 'unknown', cause: expect.any(AppendRefused) }],
    ['event_store.client.Timeout', { status: 'unknown', cause: expect.any(AppendUnanswered) }],
    ['google.protobuf.Empty', { status: 'unknown', cause: expect.any(AppendUnanswered) }],
  ])('says what a refusal means: %s', (name, answer) => {
    const bytes = responseOf(7, (resp) => resp.setError(refusal(name)));
    expect(appendResponse(bytes)).toEqual({ number: 7, answer });
  });

  it('without a result is none', () => {
    expect(appendResponse(responseOf(7, () => {}))).toMatchObject({
      number: 7,
      answer: { status: 'unknown', cause: { code: 'append-unanswered' } },
    });
  });
});
