import { getEventListeners } from 'node:events';
import { describe, expect, it } from '@jest/globals';
import type { Clock } from './clock.js';
import { aborted, pause } from './pause.js';

/** Rings when it is told to. */
class HandClock implements Clock {
  readonly timers = new Set<() => void>();

  nowMs = () => 0;
  monotonicMs = () => 0;
  now = () => '';

  after(_delayMs: number, call: () => void): () => void {
    this.timers.add(call);
    return () => void this.timers.delete(call);
  }
}

const listeners = (signal: AbortSignal): number => getEventListeners(signal, 'abort').length;

describe('a pause', () => {
  it('ends with its time, and leaves no listener behind', async () => {
    const clock = new HandClock();
    const { signal } = new AbortController();
    const paused = pause(clock, 10, signal);
    expect([clock.timers.size, listeners(signal)]).toEqual([1, 1]);
    for (const ring of clock.timers) ring();
    await paused;
    expect(listeners(signal)).toBe(0);
  });

  it('ends with its signal, and takes its timer back', async () => {
    const clock = new HandClock();
    const controller = new AbortController();
    const paused = pause(clock, 10, controller.signal);
    controller.abort();
    await paused;
    expect([clock.timers.size, listeners(controller.signal)]).toEqual([0, 0]);
  });

  it('does not begin when its signal has aborted', async () => {
    const clock = new HandClock();
    await pause(clock, 10, AbortSignal.abort());
    expect(clock.timers.size).toBe(0);
  });
});

describe('aborted', () => {
  it('waits for its signal, now or later', async () => {
    await aborted(AbortSignal.abort());
    const controller = new AbortController();
    const waited = aborted(controller.signal);
    controller.abort();
    await waited;
    expect(listeners(controller.signal)).toBe(0);
  });
});
