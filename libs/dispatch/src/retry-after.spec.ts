import { execFileSync } from 'node:child_process';
import { describe, expect, it } from '@jest/globals';
import { retryAfterMs } from './retry-after.js';

const NOW_MS = Date.parse('2026-01-01T00:00:00Z');

describe('retryAfterMs', () => {
  it.each([
    ['5', 5_000],
    [' 5 ', 5_000],
    ['0', 0],
    ['3600', 3_600_000],
    ['99999999999', 99_999_999_999_000],
    ['9'.repeat(40), Number.MAX_SAFE_INTEGER],
    ['Thu, 01 Jan 2026 00:00:30 GMT', 30_000],
    ['Thu, 01 Jan 2026 00:00:30 UTC', 30_000],
    ['Thursday, 01-Jan-26 00:00:30 GMT', 30_000],
    ['Thu Jan  1 00:00:30 2026', 30_000],
    ['Mon Jan 12 00:00:00 2026', 11 * 86_400_000],
    ['Wed, 31 Dec 2025 23:59:00 GMT', null],
    // In RFC 850 of 2026 that is 1999.
    ['Friday, 31-Dec-99 23:59:59 GMT', null],
    ['Wed, 32 Dec 2026 23:59:00 GMT', null],
    ['Wed, 31 Dec 2026 24:59:00 GMT', null],
    ['Thu, 01 Jan 2026 00:00:30 +0200', null],
    ['2026-01-01T00:00:30Z', null],
    ['after 3600', null],
    ['in 3600', null],
    ['May 2100', null],
    ['-1', null],
    ['1.5', null],
    ['0x10', null],
    ['soon', null],
    ['', null],
    ['1e12', null],
    [null, null],
  ])('reads %s as %s', (header, expected) => {
    expect(retryAfterMs(header, NOW_MS)).toBe(expected);
  });

  it.each(['Pacific/Auckland', 'America/Los_Angeles'])(
    'takes a date without a zone for UTC where the clocks are those of %s',
    (TZ) => {
      const script =
        `import { retryAfterMs } from ${JSON.stringify(new URL('retry-after.js', import.meta.url).href)};` +
        `console.log(retryAfterMs('Thu Jan  1 00:00:30 2026', ${NOW_MS}), new Date().getTimezoneOffset());`;
      const said = execFileSync(process.execPath, ['--input-type=module', '-e', script], {
        env: { ...process.env, TZ },
      });
      const [ms, offset] = said.toString().split(' ');
      expect(Number(offset)).not.toBe(0);
      expect(Number(ms)).toBe(30_000);
    },
  );
});
