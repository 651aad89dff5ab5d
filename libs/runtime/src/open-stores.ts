import { systemClock } from './clock.js';
import type { Config } from './config.js';
import type { Log } from './log.js';
import { postgresAnswers } from './postgres/postgres-answers.js';

const PAUSE_MS_MIN = 250;
const PAUSE_MS_MAX = 5_000;
/** How often it is told that a store is still waited for. */
const TELL_MS = 30_000;

/**
 * Opens the log and sees that Postgres answers, and waits for what lives on other machines as long as it takes: containers
 * start in any order. Calls `waits` with the name of what it waits for, since so long the process is alive and not ready. Only a fault that is `retryable`
 * is waited out: wrong credentials and servers that are too old end the start at once.
 */
export const openStores = async (
  store: { start(): Promise<void> },
  config: Pick<Config, 'eventStore' | 'views'>,
  log: Log,
  waits: (name: string) => void,
): Promise<void> => {
  const { url } = config.views;
  if (config.eventStore === 'eventstoredb') await patiently('the event store', () => store.start(), log, waits);
  else await store.start();
  if (url !== null) await patiently('Postgres', () => postgresAnswers(url), log, waits);
};

const patiently = async (
  name: string,
  open: () => Promise<void>,
  log: Log,
  waits: (name: string) => void,
): Promise<void> => {
  waits(name);
  const sinceMs = systemClock.monotonicMs();
  let toldMs = -Infinity;
  for (let pauseMs = PAUSE_MS_MIN; ; pauseMs = Math.min(pauseMs * 2, PAUSE_MS_MAX)) {
    try {
      await open();
      if (toldMs > 0) log.info(`${name} answers; the start goes on`);
      return;
    } catch (err) {
      if (!isRetryable(err)) throw err;
      const nowMs = systemClock.monotonicMs();
      if (nowMs - toldMs >= TELL_MS) {
        toldMs = nowMs;
        log.warn(`the start waits for ${name}`, { err, waitedMs: Math.round(nowMs - sinceMs) });
      }
    }
    await new Promise<void>((resolve) => systemClock.after(pauseMs, resolve));
  }
};

const isRetryable = (error: unknown): boolean => (error as { retryable?: unknown } | null)?.retryable === true;
