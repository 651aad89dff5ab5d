import type { Append, AppendOutcome, StreamName } from '../event-store.js';
import { NO_STREAM } from '../event-store.js';
import { eventId } from '../packed.js';
import type { Appender } from './appender.js';
import type { LogReader } from './log-reader.js';
import { batchRequest, truncateRequest } from './stored-event.js';

const TRIES_MAX = 5;

/**
 * Appends the stub, then has the server hide everything before it. Both steps may be repeated, alone and together: a stub
 * without the second step is a stream whose archive is asked for again.
 */
export const archive = async (appender: Appender, reader: LogReader, append: Append): Promise<AppendOutcome> => {
  const { stream, expected } = append;
  if (expected === NO_STREAM) return { status: 'conflict', actual: await reader.revision(stream) };
  const outcome = await sent(appender, (correlation) => batchRequest(append, correlation));
  if (outcome.status !== 'appended') return outcome;
  const hidden = await hideBefore(appender, reader, { stream, revision: outcome.revision });
  return hidden.status === 'appended' ? outcome : { status: 'unknown', cause: hidden };
};

/** The server writes what it knows of a stream into a stream of its own; others may write there too. */
const hideBefore = async (
  appender: Appender,
  reader: LogReader,
  { stream, revision }: { stream: StreamName; revision: number },
): Promise<AppendOutcome> => {
  const metaStream = `$$${stream}` as StreamName; // the server's name for it
  let outcome: AppendOutcome = { status: 'conflict', actual: NO_STREAM };
  for (let tries = 0; tries < TRIES_MAX && outcome.status === 'conflict'; tries++) {
    const known = await reader.metadata(metaStream);
    const before = known.members['$tb'];
    if (typeof before === 'number' && before >= revision)
      return { status: 'appended', revision: known.revision, position: known.position };
    const text = JSON.stringify({ ...known.members, $tb: revision });
    const id = eventId(metaStream, known.revision, `truncate before ${revision}`, 0);
    const request = { stream: metaStream, expected: known.revision, id, text };
    outcome = await sent(appender, (correlation) => truncateRequest(correlation, request));
  }
  return outcome;
};

const sent = (appender: Appender, make: Parameters<Appender['send']>[0]): Promise<AppendOutcome> =>
  new Promise((resolve) => appender.send(make, resolve));
