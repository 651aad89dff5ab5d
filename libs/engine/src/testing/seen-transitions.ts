import { TRANSITIONS, type Phase } from '../mailbox-phase.js';

/** Notes which transitions of the table are made from now on, in this module's world; `missing`: which were not. */
export const watchTransitions = () => {
  const seen = new Set<string>();
  const all: string[] = [];
  for (const [from, signals] of Object.entries(TRANSITIONS))
    for (const [signal, to] of Object.entries(signals)) {
      const line = `${from} -- ${signal} --> ${to satisfies Phase}`;
      all.push(line);
      Object.defineProperty(signals, signal, {
        enumerable: true,
        get: () => {
          seen.add(line);
          return to;
        },
      });
    }
  const shown = (): string => all.map((line) => `${seen.has(line) ? '  seen ' : 'UNSEEN '} ${line}`).join('\n');
  return { shown, missing: () => all.filter((line) => !seen.has(line)) };
};
