import { writeSync } from 'node:fs';
import { systemClock } from './clock.js';

type Stop = () => Promise<void> | void;

/**
 * A signal to a process group reaches a child of npm twice within a millisecond: once by the group, once passed on by npm.
 * A person who presses Ctrl-C again is slower than this.
 */
const SECOND_SIGNAL_MS = 500;
const EXIT_CODES = { SIGINT: 130, SIGTERM: 143 } as const;

const stops: Stop[] = [];
let listening = false;
let firstSignalMs: number | null = null;

const stopAll = async (): Promise<void> => {
  try {
    for (let stop = stops.pop(); stop !== undefined; stop = stops.pop()) await stop();
  } catch (error) {
    writeSync(2, `The stop has failed: ${error instanceof Error ? error.stack : String(error)}\n`);
    process.exit(1);
  }
  process.exit(0);
};

const onSignal = (signal: keyof typeof EXIT_CODES): void => {
  const nowMs = systemClock.monotonicMs();
  if (firstSignalMs === null) {
    firstSignalMs = nowMs;
    void stopAll();
  } else if (nowMs - firstSignalMs >= SECOND_SIGNAL_MS) {
    process.exit(EXIT_CODES[signal]);
  }
};

/**
 * Has `stop` called when SIGTERM or SIGINT arrives, the latest registered first, one after the other; then the process exits
 * with 0, or with 1 when one of them fails. A second signal, half a second or more after the first, exits at once
 * with 130 or 143. Before the first registration a signal ends the process as usual.
 */
export const onShutdown = (stop: Stop): void => {
  stops.push(stop);
  if (listening) return;
  listening = true;
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
};
