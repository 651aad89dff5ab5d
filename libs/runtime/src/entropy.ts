import { randomFillSync, hash } from 'node:crypto';

/** Chance and fresh names. The only place where they come in. */
export abstract class Entropy {
  /** In [0, 1): the share of jitter. */
  abstract jitter: () => number;
  /** `bytes` random bytes in hex. */
  abstract hex: (bytes: number) => string;
}

const POOL_BYTES = 8192;
const pool = Buffer.alloc(POOL_BYTES);
let used = POOL_BYTES;

const take = (bytes: number): number => {
  if (used + bytes > POOL_BYTES) {
    randomFillSync(pool);
    used = 0;
  }
  const from = used;
  used += bytes;
  return from;
};

export const systemEntropy: Entropy = {
  jitter: () => pool.readUInt32LE(take(4)) / 2 ** 32,
  hex: (bytes) => {
    const from = take(bytes);
    return pool.toString('hex', from, from + bytes);
  },
};

const ALPHABET = Buffer.from('abcdefghijklmnopqrstuvwxyz234567', 'latin1');
const VALUES = new Uint8Array(128);
ALPHABET.forEach((code, value) => (VALUES[code] = value));

/** Letters are put together here: one string is made of them, where adding them one by one makes as many strings. */
const letters = Buffer.alloc(64);
const octets = Buffer.alloc(64);

/** Lower-case base32 (RFC 4648 alphabet, no padding) of the first `bits` bits of SHA-256 of the text. */
export const sha256Base32 = (text: string, bits: number): string => {
  // One character a byte: a string costs less than half of a Buffer, which brings an ArrayBuffer for the collector.
  const digest = hash('sha256', text, 'binary');
  let length = 0;
  let window = 0;
  let held = 0;
  for (let index = 0; index * 8 < bits; index++) {
    window = ((window & 31) << 8) | digest.charCodeAt(index);
    held += 8;
    while (held >= 5) {
      held -= 5;
      letters[length++] = ALPHABET[(window >> held) & 31]!;
    }
  }
  if (held > 0) letters[length++] = ALPHABET[(window << (5 - held)) & 31]!;
  return letters.toString('latin1', 0, length);
};

/** The bytes that a base32 text stands for, in hex. */
export const base32ToHex = (text: string): string => {
  let length = 0;
  let window = 0;
  let held = 0;
  for (let index = 0; index < text.length; index++) {
    window = ((window & 0xff) << 5) | VALUES[text.charCodeAt(index) & 127]!;
    held += 5;
    if (held < 8) continue;
    held -= 8;
    octets[length++] = (window >> held) & 0xff;
  }
  return octets.toString('hex', 0, length);
};

export const sha256Hex = (text: string): string => hash('sha256', text, 'hex');

/** Of the keys that were made last. */
const KEPT_KEYS = 2_048;
type KeptKey = { readonly runId: string; readonly stepKey: string; readonly key: string };
const keptKeys: KeptKey[] = [];
for (let place = 0; place < KEPT_KEYS; place++) keptKeys.push({ runId: '', stepKey: '', key: '' });

/**
 * The `Idempotency-Key` that all attempts of a step carry. Base32, since a webhook id must hold no dot. Made when an attempt is
 * sent, and soon asked for again by who is shown the run: the last ones are kept, each until another needs its place.
 */
export const stepIdempotencyKey = (runId: string, stepKey: string): string => {
  // The ids of runs are letters by chance, the keys of a run differ at their end mostly.
  const ofRun = (runId.charCodeAt(0) << 6) ^ (runId.charCodeAt(1) << 3) ^ runId.charCodeAt(2);
  const place = (ofRun ^ (stepKey.length << 4) ^ (stepKey.charCodeAt(stepKey.length - 1) << 1)) & (KEPT_KEYS - 1);
  const kept = keptKeys[place]!;
  if (kept.runId === runId && kept.stepKey === stepKey && kept.key !== '') return kept.key;
  const key = sha256Base32(`${runId}\n${stepKey}`, 256);
  keptKeys[place] = { runId, stepKey, key };
  return key;
};
