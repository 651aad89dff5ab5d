import type { Clock } from './clock.js';

/** Resolves after the time, or as soon as the signal aborts. */
export const pause = (clock: Clock, delayMs: number, signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const end = (): void => {
      takeBack();
      signal.removeEventListener('abort', end);
      resolve();
    };
    const takeBack = clock.after(delayMs, end);
    signal.addEventListener('abort', end);
  });

/** Resolves when the signal aborts. Its listener stays until then: for waits that are few for each signal. */
export const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) return resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
  });

/** True when the work has not come to its end within that time. */
export const takesLonger = (clock: Clock, withinMs: number, work: Promise<unknown>): Promise<boolean> =>
  new Promise((resolve, reject) => {
    const cancel = clock.after(withinMs, () => resolve(true));
    work.then(() => resolve(false), reject).finally(cancel);
  });
