import type { AppendOutcome, StreamName } from '../event-store.js';
import { eventId } from '../packed.js';
import type { Answer } from './append-response.js';
import type { Appender } from './appender.js';
import type { LogReader } from './log-reader.js';
import { metadataRequest } from './stored-events.js';

const TRIES_MAX = 5;

/**
 * Has the server hide everything before the stub that was appended. May be repeated, with the stub's append and without:
 * a stub before which nothing is hidden is a stream whose archive is asked for again.
 */
export const hideBefore = async (
  appender: Appender,
  reader: LogReader,
  { stream, stub }: { stream: StreamName; stub: AppendOutcome & { status: 'appended' } },
): Promise<AppendOutcome> => {
  const { revision } = stub;
  const metaStream = `$$${stream}` as StreamName; // the server's name for it
  let answer: Answer = { status: 'conflict' };
  for (let tries = 0; tries < TRIES_MAX && answer.status === 'conflict'; tries++) {
    const known = await reader.metadata(metaStream);
    const before = known.members['$tb'];
    if (typeof before === 'number' && before >= revision) return stub;
    const text = JSON.stringify({ ...known.members, $tb: revision });
    const id = eventId(metaStream, known.revision, `truncate before ${revision}`, 0);
    const request = { stream: metaStream, expected: known.revision, id, text };
    answer = await new Promise((resolve) =>
      appender.send((correlation) => metadataRequest(correlation, request), resolve),
    );
  }
  return answer.status === 'written' ? stub : { status: 'unknown', cause: answer };
};
