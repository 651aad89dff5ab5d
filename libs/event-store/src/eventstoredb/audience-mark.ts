import type { Audience, StreamName } from '../event-store.js';
import { RUN_STREAMS } from '../stream-names.js';

/*
 * The type of an append to a run ends in a mark: `>2a` is news for the owner of the runs of byte 2a, `<2a` comes from the
 * owner and is news for those who wait, `<>2a` is for both. So the server itself leaves out what a subscriber does not need.
 */

const ANY_BYTE = '..';

/** What the type of an append ends in; nothing where it is not of a run. */
export const audienceMark = (stream: StreamName, audience: Audience | undefined): string => {
  if (!stream.startsWith(RUN_STREAMS)) return '';
  const byte = stream.slice(RUN_STREAMS.length, RUN_STREAMS.length + ANY_BYTE.length);
  return `${audience === 'owner' ? '' : '<'}${audience === 'waiting' ? '' : '>'}${byte}`;
};

/** A regular expression for types of appends that are for an audience, of runs whose streams begin with one of the prefixes. */
export const markedFor = (audience: Audience, prefixes: readonly string[] | null): string => {
  const bytes = (prefixes ?? [RUN_STREAMS])
    .filter((prefix) => prefix.startsWith(RUN_STREAMS))
    .map((prefix) => prefix.slice(RUN_STREAMS.length).replace(/-$/, '').padEnd(ANY_BYTE.length, '.'));
  return `${audience === 'owner' ? '>' : '<>?'}(?:${alternatives(bytes)})$`;
};

/** Bytes that begin alike are one alternative: the server compiles the expression with each read. */
const alternatives = (bytes: readonly string[]): string =>
  [...Map.groupBy(bytes, (byte) => byte[0]!)]
    .map(([first, alike]) => {
      const seconds = alike.map((byte) => byte[1]!).join('');
      return `${first}${seconds.includes('.') ? '.' : `[${seconds}]`}`;
    })
    .join('|');
