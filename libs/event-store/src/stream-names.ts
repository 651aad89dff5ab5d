import type { StreamName } from './event-store.js';

/** Definitions: published, archived, drafts, and targets. */
// The only place, with the functions below, where names of streams are made.
export const CATALOGUE = 'catalogue' as StreamName;

/** What the names of all streams of runs start with. */
export const RUN_STREAMS = 'run-';
const PLAN_STREAMS = 'plan-';
const TEXT_STREAMS = 'text-';
/** What the names of all our streams start with: on a server of events others may have theirs beside them. */
export const OUR_STREAMS: readonly string[] = [RUN_STREAMS, PLAN_STREAMS, TEXT_STREAMS, CATALOGUE];
const RUN_ID_AT = 'run-xx-'.length;
const BASE32 = 'abcdefghijklmnopqrstuvwxyz234567';
// 128 bits in 26 characters: the last one carries three bits, so that two of its five are zero.
const RUN_ID = /^[a-z2-7]{25}[aeimquy4]$/;

/** Whether a text has the form of a run id: 26 characters of lower-case base32 that hold 128 bits. */
export const isRunId = (text: string): boolean => RUN_ID.test(text);

/** `run-<xx>-<runId>`; xx is the first byte of the hash, so that a range of prefixes is a shard. For ever. */
export const runStream = (runId: string): StreamName => {
  const high = BASE32.indexOf(runId.charAt(0));
  const low = BASE32.indexOf(runId.charAt(1));
  const firstByte = (high << 3) | (low >> 2);
  return `${RUN_STREAMS}${firstByte < 16 ? '0' : ''}${firstByte.toString(16)}-${runId}` as StreamName;
};

/** A group of runs with one owner: those whose first hash byte is in a range of four. */
export type Shard = number & { readonly __shard: true };
export const SHARDS = 64;
export const ALL_SHARDS: readonly Shard[] = Array.from({ length: SHARDS }, (_, shard) => shard as Shard);

/** The shard of a run: the upper six bits of its first byte. By arithmetic, since every commit asks. */
export const shardOf = (runId: string): Shard =>
  ((digit(runId.charCodeAt(0)) << 1) | (digit(runId.charCodeAt(1)) >> 4)) as Shard;

/** Of lower-case base32: `a` is 0, `2` is 26. */
const digit = (code: number): number => (code >= 97 ? code - 97 : code - 24);

/** What the names of a shard's streams start with: the filter of whoever owns it. */
export const shardPrefixes = (shard: Shard): readonly string[] =>
  [0, 1, 2, 3].map((low) => `${RUN_STREAMS}${((shard << 2) | low).toString(16).padStart(2, '0')}-`);

/** The same for several shards, in as few prefixes as there can be: four shards in line share a hex digit. */
export const prefixesOf = (shards: readonly Shard[]): readonly string[] => {
  if (shards.length === SHARDS) return [RUN_STREAMS];
  const wanted = new Set(shards);
  return shards.flatMap((shard) => {
    const first = shard & ~3;
    if (![0, 1, 2, 3].every((next) => wanted.has((first + next) as Shard))) return shardPrefixes(shard);
    return shard === first ? [`${RUN_STREAMS}${(shard >> 2).toString(16)}`] : [];
  });
};

/** `plan-<hash>`: one immutable plan, by its content. */
export const planStream = (hash: string): StreamName => `${PLAN_STREAMS}${hash}` as StreamName;

/** `text-<hash>`: one text that its author sent, by its content. */
export const textStream = (hash: string): StreamName => `${TEXT_STREAMS}${hash}` as StreamName;

/** The run id in the name of a run's stream; `null` for every other stream. */
export const runIdOf = (stream: StreamName): string | null =>
  stream.startsWith(RUN_STREAMS) ? stream.slice(RUN_ID_AT) : null;
