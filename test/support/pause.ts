import { setTimeout as sleep } from 'node:timers/promises';

/** Resolves after about that time. */
export const pause = (ms: number): Promise<void> => sleep(ms);

/** Asks until the answer is not null; a fault that says what was awaited after the time. */
export const eventually = async <T>(what: string, ask: () => Promise<T | null>, timeoutMs = 20_000): Promise<T> => {
  const untilMs = performance.now() + timeoutMs;
  for (;;) {
    const answer = await ask();
    if (answer !== null) return answer;
    if (performance.now() > untilMs) throw new Error(`waited ${timeoutMs} ms in vain for ${what}`);
    await pause(20);
  }
};
