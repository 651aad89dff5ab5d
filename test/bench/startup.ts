import type { BenchOptions } from './options.js';

/** Filled in with the store. */
export const measureStartup = async (_options: BenchOptions, say: (line: string) => void): Promise<unknown> => {
  say('not measured yet');
  return null;
};
