import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { TestClock } from './testing/test-clock.js';
import { TimerWheel } from './timer-wheel.js';

const LATE_MS_MAX = 20;

const wheelAndClock = () => {
  const clock = new TestClock();
  return { clock, wheel: new TimerWheel(clock, (_turns, call) => call()) };
};

describe('TimerWheel', () => {
  it('fires every wait once, never early and at most two ticks late, whatever the delays, and none that was taken back', () => {
    const waits = fc.array(fc.record({ delayMs: fc.integer({ min: 0, max: 200_000 }), taken: fc.boolean() }), {
      maxLength: 60,
    });
    fc.assert(
      fc.property(
        waits,
        fc.array(fc.integer({ min: 1, max: 50_000 }), { minLength: 1, maxLength: 8 }),
        (given, steps) => {
          const { clock, wheel } = wheelAndClock();
          const began = clock.monotonicMs();
          const fired = new Map<number, number[]>();
          const timers = given.map(({ delayMs }, index) =>
            wheel.after(delayMs, () => fired.set(index, [...(fired.get(index) ?? []), clock.monotonicMs() - began])),
          );
          given.forEach(({ taken }, index) => taken && wheel.cancel(timers[index]!));
          for (const step of steps) clock.pass(step);
          clock.pass(200_100);
          given.forEach(({ delayMs, taken }, index) => {
            const at = fired.get(index) ?? [];
            expect(at).toHaveLength(taken ? 0 : 1);
            if (taken) return;
            expect(at[0]).toBeGreaterThanOrEqual(delayMs);
            expect(at[0]).toBeLessThanOrEqual(delayMs + LATE_MS_MAX);
          });
        },
      ),
      { numRuns: 200 },
    );
  });

  it('fires what is due by the wall clock within a second of a jump over it', () => {
    const { clock, wheel } = wheelAndClock();
    let fired = 0;
    wheel.at(clock.nowMs() + 3_600_000, () => fired++);
    clock.pass(2_000);
    clock.jump(3_600_000);
    clock.pass(1_100);
    expect(fired).toBe(1);
    clock.pass(7_200_000);
    expect(fired).toBe(1);
  });

  it('does not fire early, nor twice, when the wall clock goes back', () => {
    const { clock, wheel } = wheelAndClock();
    const dueMs = clock.nowMs() + 5_000;
    const firedAt: number[] = [];
    wheel.at(dueMs, () => firedAt.push(clock.nowMs()));
    clock.pass(4_000);
    clock.jump(-3_600_000);
    clock.pass(60_000);
    expect(firedAt).toEqual([]);
    clock.pass(3_600_000);
    expect(firedAt).toHaveLength(1);
    expect(firedAt[0]).toBeGreaterThanOrEqual(dueMs);
    clock.jump(-3_600_000);
    clock.pass(7_200_000);
    expect(firedAt).toHaveLength(1);
  });

  it('does not fire early what falls due before it is seen that the wall clock went back', () => {
    const { clock, wheel } = wheelAndClock();
    let fired = 0;
    wheel.at(clock.nowMs() + 4_500, () => fired++);
    clock.pass(4_400);
    clock.jump(-3_600_000);
    clock.pass(200);
    expect(fired).toBe(0);
    clock.pass(3_600_000);
    expect(fired).toBe(1);
  });

  it('leaves what falls due while the sockets are read to the next time, when they are read again', () => {
    const clock = new TestClock();
    const reads: (() => void)[] = [];
    const wheel = new TimerWheel(clock, (_turns, call) => reads.push(call));
    const fired: string[] = [];
    wheel.after(1, () => fired.push('before'));
    wheel.after(100, () => fired.push('meanwhile'));
    clock.pass(8);
    clock.pass(500);
    reads.shift()!();
    expect(fired).toEqual(['before']);
    clock.pass(8);
    reads.shift()!();
    expect(fired).toEqual(['before', 'meanwhile']);
    wheel.stop();
  });

  it('fires at once what is past its due when it is placed, also when nothing was waited for until then', () => {
    const { clock, wheel } = wheelAndClock();
    clock.pass(60_000);
    const placedAtMs = clock.monotonicMs();
    const firedAfterMs: number[] = [];
    for (const pastMs of [0, 15, 30_000]) {
      wheel.at(clock.nowMs() - pastMs, () => firedAfterMs.push(clock.monotonicMs() - placedAtMs));
      clock.pass(60_000);
    }
    expect(firedAfterMs).toHaveLength(3);
    firedAfterMs.forEach((ms, index) => expect(ms - index * 60_000).toBeLessThanOrEqual(LATE_MS_MAX));
  });

  it('keeps a plain delay whatever the wall clock does', () => {
    const { clock, wheel } = wheelAndClock();
    let fired = 0;
    wheel.after(10_000, () => fired++);
    clock.jump(3_600_000);
    clock.pass(9_000);
    expect(fired).toBe(0);
    clock.jump(-7_200_000);
    clock.pass(1_100);
    expect(fired).toBe(1);
  });

  it('lets a call place and take back waits', () => {
    const { clock, wheel } = wheelAndClock();
    const order: string[] = [];
    const second = wheel.after(50, () => order.push('second'));
    wheel.after(50, () => order.push('third'));
    wheel.after(10, () => {
      order.push('first');
      wheel.cancel(second);
      wheel.after(100, () => order.push('fourth'));
    });
    clock.pass(1_000);
    expect(order).toEqual(['first', 'third', 'fourth']);
  });

  it('fires nothing after its stop, also of what comes later', () => {
    const { clock, wheel } = wheelAndClock();
    let fired = 0;
    const timer = wheel.after(10, () => fired++);
    wheel.stop();
    wheel.cancel(timer);
    wheel.after(10, () => fired++);
    wheel.at(clock.nowMs(), () => fired++);
    clock.pass(1_000);
    expect(fired).toBe(0);
  });
});
