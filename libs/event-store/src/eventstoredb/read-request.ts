import shared from '@eventstore/db-client/generated/shared_pb.js';
import streams from '@eventstore/db-client/generated/streams_pb.js';
import type { ReadReq } from '@eventstore/db-client/generated/streams_pb.js';
import type { Audience } from '../event-store.js';

/** A place in the log, as the server names it; decimal text. */
export type ServerPosition = { readonly commit: string; readonly prepare: string };

type EventFilter = {
  /** Of the streams that are read; all but the system's when it is `null`, those too when it is `everything`. */
  readonly prefixes: readonly string[] | null | 'everything';
  /** What is for another one is passed over when it has come. */
  readonly audience?: Audience | undefined;
};

export type ReadRequest = {
  /** One stream, or the whole log. */
  readonly source:
    | { readonly stream: string; readonly revision: number | 'start' | 'end' }
    | ({ readonly position: ServerPosition | 'start' | 'end' } & EventFilter);
  /** Events at most; or whatever comes, for ever. */
  readonly count: number | 'subscription';
  readonly backwards?: boolean;
};

/** Events that the server looks at for a filter before it goes on elsewhere, and after which it says how far it is. */
const WINDOW_EVENTS = 512;
/** Names of the server's own streams begin with a dollar. */
const NOT_SYSTEM = '^[^$]';

/** A request to read. `$all` is read from its position inclusive, and followed from its position exclusive. */
export const readRequest = ({ source, count, backwards = false }: ReadRequest): ReadReq => {
  const options = new streams.ReadReq.Options();
  if ('stream' in source) {
    options.setStream(streamOptions(source.stream, source.revision));
    options.setNoFilter(new shared.Empty());
  } else {
    options.setAll(allOptions(source.position));
    if (source.prefixes === 'everything') options.setNoFilter(new shared.Empty());
    else options.setFilter(filterOptions(source.prefixes));
  }
  if (count === 'subscription') options.setSubscription(new streams.ReadReq.Options.SubscriptionOptions());
  else options.setCount(String(count));
  const { FORWARDS, BACKWARDS } = streams.ReadReq.Options.ReadDirection;
  options.setReadDirection(backwards ? BACKWARDS : FORWARDS);
  options.setResolveLinks(false);
  const uuids = new streams.ReadReq.Options.UUIDOption();
  uuids.setString(new shared.Empty());
  options.setUuidOption(uuids);
  const req = new streams.ReadReq();
  req.setOptions(options);
  return req;
};

const streamOptions = (stream: string, revision: number | 'start' | 'end') => {
  const options = new streams.ReadReq.Options.StreamOptions();
  options.setStreamIdentifier(streamIdentifier(stream));
  if (revision === 'start') options.setStart(new shared.Empty());
  else if (revision === 'end') options.setEnd(new shared.Empty());
  else options.setRevision(String(revision));
  return options;
};

const allOptions = (at: ServerPosition | 'start' | 'end') => {
  const options = new streams.ReadReq.Options.AllOptions();
  if (at === 'start') options.setStart(new shared.Empty());
  else if (at === 'end') options.setEnd(new shared.Empty());
  else {
    const position = new streams.ReadReq.Options.Position();
    position.setCommitPosition(at.commit);
    position.setPreparePosition(at.prepare);
    options.setPosition(position);
  }
  return options;
};

const filterOptions = (prefixes: readonly string[] | null) => {
  const expression = new streams.ReadReq.Options.FilterOptions.Expression();
  const options = new streams.ReadReq.Options.FilterOptions();
  if (prefixes === null) expression.setRegex(NOT_SYSTEM);
  else expression.setPrefixList([...prefixes]);
  options.setStreamIdentifier(expression);
  options.setMax(WINDOW_EVENTS);
  options.setCheckpointintervalmultiplier(1);
  return options;
};

const streamIdentifier = (stream: string) => {
  const identifier = new shared.StreamIdentifier();
  identifier.setStreamName(Buffer.from(stream));
  return identifier;
};
