/** The wall clock and timers of the process. The only place where time comes in. */
export abstract class Clock {
  /** Milliseconds since the epoch, by the wall clock: may jump. */
  abstract nowMs: () => number;
  /** Milliseconds by a clock that never goes back; for measuring and sleeping. */
  abstract monotonicMs: () => number;
  /** `nowMs` as ISO 8601 UTC with milliseconds. */
  abstract now: () => string;
  /** Calls back once after about `delayMs`; the returned function takes it back. */
  abstract after: (delayMs: number, call: () => void) => () => void;
}

let cachedMs = -1;
let cachedInstant = '';

/** An instant as ISO 8601 text; the last one is kept, since many events share a millisecond (.36 µs against .04). */
export const instantOf = (ms: number): string => {
  if (ms !== cachedMs) {
    cachedMs = ms;
    cachedInstant = new Date(ms).toISOString();
  }
  return cachedInstant;
};

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  now: () => instantOf(Date.now()),
  after: (delayMs, call) => {
    const timer = setTimeout(call, delayMs);
    return () => clearTimeout(timer);
  },
};
