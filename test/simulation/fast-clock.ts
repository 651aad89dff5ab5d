import { instantOf, systemClock, type Clock } from '#runtime';

/** A clock that runs so many times as fast as the real one: what takes a minute for the product takes seconds. */
export const fastClock = (times: number): Clock => {
  const sinceMs = systemClock.monotonicMs();
  const startMs = systemClock.nowMs();
  const elapsedMs = (): number => (systemClock.monotonicMs() - sinceMs) * times;
  return {
    nowMs: () => Math.floor(startMs + elapsedMs()),
    monotonicMs: elapsedMs,
    now: () => instantOf(Math.floor(startMs + elapsedMs())),
    after: (delayMs, call) => systemClock.after(delayMs / times, call),
  };
};
