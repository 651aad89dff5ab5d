import { describe, expect, it } from '@jest/globals';
import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { base32ToHex, sha256Base32, stepIdempotencyKey, systemEntropy } from './entropy.js';

describe('sha256Base32', () => {
  it('is the RFC 4648 text of the first bits of the digest, which base32ToHex reads back', () => {
    fc.assert(
      fc.property(fc.string(), fc.constantFrom(128, 256), (text, bits) => {
        const hex = createHash('sha256')
          .update(text)
          .digest('hex')
          .slice(0, bits / 4);
        const base32 = sha256Base32(text, bits);
        expect(base32).toMatch(/^[a-z2-7]+$/);
        expect(base32).toHaveLength(Math.ceil(bits / 5));
        expect(base32ToHex(base32)).toBe(hex);
      }),
    );
  });

  it('stays what it was, since runs are named by it', () => {
    expect(sha256Base32('', 128)).toBe('4oymiquy7qobjgx36tejs35zeq');
  });
});

describe('stepIdempotencyKey', () => {
  it('is of the run and the step, also where other keys have taken its place meanwhile', () => {
    const runIds = Array.from({ length: 600 }, (_, index) => sha256Base32(`${index}`, 128));
    const steps = ['pay', 'pack', 'a.mail', 'b.mail'].flatMap((key) => runIds.map((runId) => ({ runId, key })));
    const expected = steps.map(({ runId, key }) => sha256Base32(`${runId}\n${key}`, 256));
    for (let round = 0; round < 2; round++) {
      expect(steps.map(({ runId, key }) => stepIdempotencyKey(runId, key))).toEqual(expected);
    }
    // Asked again at once, it is one that was kept.
    for (const [index, { runId, key }] of steps.entries()) {
      stepIdempotencyKey(runId, key);
      expect(stepIdempotencyKey(runId, key)).toBe(expected[index]);
    }
    expect(stepIdempotencyKey('', '')).toBe(sha256Base32('\n', 256));
  });
});

describe('systemEntropy', () => {
  it('draws jitter in [0, 1), and names that do not repeat', () => {
    const drawn = Array.from({ length: 5_000 }, () => systemEntropy.jitter());
    expect(Math.min(...drawn)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...drawn)).toBeLessThan(1);
    expect(new Set(Array.from({ length: 5_000 }, () => systemEntropy.hex(16))).size).toBe(5_000);
  });
});
