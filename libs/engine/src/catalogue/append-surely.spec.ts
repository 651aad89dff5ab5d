import { describe, expect, it } from '@jest/globals';
import { MemoryEventStore, NO_STREAM, type Append, type AppendOutcome, type StreamName } from '#event-store';
import { TestClock } from '../../../dispatch/src/testing/test-clock.js';
import { appendSurely } from './append-surely.js';

const append: Append = {
  stream: 'catalogue' as StreamName,
  expected: NO_STREAM,
  events: [{ type: 'E', v: 1, data: '{}' }],
  envelope: { commandId: '00', recordedAt: '2026-01-01T00:00:00.000Z', actor: null, traceparent: null },
};

/** A store that says after so long that it does not know. */
const awayFor = (clock: TestClock, afterMs: number) => {
  const asked: number[] = [];
  const appends = new Set<Append>();
  class AwayStore extends MemoryEventStore {
    override append(given: Append, settle: (outcome: AppendOutcome) => void): void {
      appends.add(given);
      asked.push(clock.monotonicMs());
      clock.after(afterMs, () => settle({ status: 'unknown', cause: new Error('no answer') }));
    }
  }
  return { store: new AwayStore(), asked, appends };
};

describe('an append to the catalogue', () => {
  it.each([1, 5_000])('is given up after 5 s when the log says nothing, though each try takes %i ms', async (tryMs) => {
    const clock = new TestClock();
    const { store, asked, appends } = awayFor(clock, tryMs);
    const sinceMs = clock.monotonicMs();
    let failed: { readonly code: string; readonly atMs: number } | null = null;
    appendSurely(store, clock, append).catch((fault: { readonly code: string }) => {
      failed = { code: fault.code, atMs: clock.monotonicMs() - sinceMs };
    });
    for (let passed = 0; passed < 8_000 && failed === null; passed += 10) {
      clock.pass(10);
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(failed).toMatchObject({ code: 'catalogue-unavailable' });
    expect(failed!.atMs).toBeGreaterThanOrEqual(3_900);
    expect(failed!.atMs).toBeLessThanOrEqual(5_020);
    expect(asked.length).toBeLessThan(10);
    // The same each time, so that none is in the log twice.
    expect([...appends]).toEqual([append]);
  });
});
