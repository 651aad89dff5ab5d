import { built, Child } from '../support/processes.js';
import type { DriverOrder, DriverReport } from './driver.js';

export type Measured = Extract<DriverReport, { type: 'measured' }>;

export type LoadHooks = {
  /** The window begins: what is read now is the "before" of all differences. */
  readonly measuring?: () => void | Promise<void>;
  readonly progress?: (runs: number) => void;
  /** The window has just ended. */
  readonly measured?: () => void;
};

let orders = 0;

/** Runs a driver in a process of its own and gives what it measured; any failed run is a fault of the measurement. */
export const applyLoad = async (order: Omit<DriverOrder, 'keyPrefix'>, hooks: LoadHooks = {}): Promise<Measured> => {
  const full: DriverOrder = { ...order, keyPrefix: `load${process.pid}-${++orders}` };
  const driver = new Child('driver', built('test/bench/driver.js'), { args: [JSON.stringify(full)], ipc: true });
  try {
    const measured = await new Promise<Measured>((resolve, reject) => {
      driver.process.on('message', (message: DriverReport) => {
        if (message.type === 'measuring') void hooks.measuring?.();
        else if (message.type === 'progress') hooks.progress?.(message.runs);
        else {
          hooks.measured?.();
          resolve(message);
        }
      });
      driver.process.once('close', () => reject(new Error(`the driver ended early:\n${driver.output}`)));
    });
    if (measured.failures > 0)
      throw new Error(`${measured.failures} runs failed, the first with:\n${measured.firstFailure}`);
    return measured;
  } finally {
    await driver.stop();
  }
};
