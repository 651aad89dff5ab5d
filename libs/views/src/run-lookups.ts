import { hash } from 'node:crypto';

/**
 * Finding a run by what few runs share (key, tag, a step's idempotency key) needs an index over random texts, and an
 * insert into such an index dirties a page of its own: 17 µs a run in commits and 4 KiB of log each, against 2 µs here.
 * So the entries are grouped by buckets of neighbouring runs: inserts touch one bucket, small enough to stay in memory,
 * and a search asks each bucket, newest first, some microseconds each. The hash only finds; the row itself is then compared.
 */
export const BUCKET_RUNS = 8_192;

export const bucketOf = (seq: number): number => Math.floor(seq / BUCKET_RUNS);

export type LookupKind = 'run-id' | 'key' | 'correlation-id' | 'requestor' | 'tag' | 'version';

// Bits of a hash that is stored: a safe integer.
const HIGH_HEX_DIGITS = 13;
const LOW_BITS = 2;

const highBits = (hex: string): number => Math.floor(parseInt(hex.slice(0, HIGH_HEX_DIGITS), 16) / 2 ** LOW_BITS);

const REMEMBERED_MAX = 4_096;
const remembered = new Map<string, number>();

/** 50 bits of SHA-256 of kind and text. */
export const lookupHash = (kind: LookupKind, text: string): number => {
  const subject = `${kind}\n${text}`;
  // Requestors, tags and versions come again and again; of the others each is its own.
  const repeats = kind === 'requestor' || kind === 'tag' || kind === 'version';
  const known = repeats ? remembered.get(subject) : undefined;
  if (known !== undefined) return known;
  const bits = highBits(hash('sha256', subject, 'hex'));
  if (repeats) {
    if (remembered.size >= REMEMBERED_MAX) remembered.clear();
    remembered.set(subject, bits);
  }
  return bits;
};

export const tagHash = (name: string, value: string): number => lookupHash('tag', `${name}\n${value}`);

export const versionHash = (workflow: string, version: string): number =>
  lookupHash('version', `${workflow}\n${version}`);

/** The first 50 bits of what `stepIdempotencyKey` gives, without making its text. */
export const stepHash = (runId: string, step: string): number => highBits(hash('sha256', `${runId}\n${step}`, 'hex'));

const BASE32 = 'abcdefghijklmnopqrstuvwxyz234567';
const STEP_KEY = /^[a-z2-7]{52}$/;
const HASH_CHARACTERS = 10;

/** The same bits read from the text of an idempotency key; `null` when the text is no such key. */
export const stepHashOf = (idempotencyKey: string): number | null => {
  if (!STEP_KEY.test(idempotencyKey)) return null;
  let bits = 0;
  for (const character of idempotencyKey.slice(0, HASH_CHARACTERS)) bits = bits * 32 + BASE32.indexOf(character);
  return bits;
};
