import type { Log } from './log.js';
import { onShutdown } from './shutdown.js';

/**
 * Runs a process: starts it, and stops it at a signal by what `start` has resolved with. A signal during the start ends it at
 * once with 0: what is then under way is as safe as in a crash. A start that fails ends it with 1.
 */
export const runMain = async (log: Log, start: () => Promise<() => Promise<void>>): Promise<void> => {
  let started = false;
  onShutdown(() => {
    if (!started) log.info('stopped during the start');
  });
  try {
    onShutdown(await start());
    started = true;
  } catch (err) {
    log.error('the start has failed', { err });
    process.exit(1);
  }
};
