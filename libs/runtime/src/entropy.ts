import { randomFillSync, hash } from 'node:crypto';

/** Chance and fresh names. The only place where they come in. */
export interface Entropy {
  /** In [0, 1): the share of jitter. */
  jitter(): number;
  /** `bytes` random bytes in hex. */
  hex(bytes: number): string;
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

const ALPHABET = 'abcdefghijklmnopqrstuvwxyz234567';

/** Lower-case base32 (RFC 4648 alphabet, no padding) of the first `bits` bits of SHA-256 of the text. */
export const sha256Base32 = (text: string, bits: number): string => {
  const digest = hash('sha256', text, 'buffer');
  let out = '';
  let window = 0;
  let held = 0;
  for (let index = 0, taken = 0; taken < bits; index++) {
    window = ((window & 31) << 8) | digest[index]!;
    held += 8;
    taken += 8;
    while (held >= 5) {
      held -= 5;
      out += ALPHABET[(window >> held) & 31];
    }
  }
  if (held > 0) out += ALPHABET[(window << (5 - held)) & 31];
  return out;
};

export const sha256Hex = (text: string): string => hash('sha256', text, 'hex');

/** The `Idempotency-Key` that all attempts of a step carry. Base32, since a webhook id must hold no dot. */
export const stepIdempotencyKey = (runId: string, stepKey: string): string => sha256Base32(`${runId}\n${stepKey}`, 256);
