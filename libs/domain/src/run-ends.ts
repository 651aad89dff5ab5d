import type { EndStatus } from './events.js';

const ENDS: ReadonlyMap<string, EndStatus> = new Map([
  ['RunCompleted', 'completed'],
  ['RunFailed', 'failed'],
  ['RunCancelled', 'cancelled'],
  ['RunTimedOut', 'timed-out'],
]);

/** Events that open an ended run again. No version makes them yet, but what reads a log without folding it will meet them. */
const REOPENING: ReadonlySet<string> = new Set(['RunRetried', 'StepHealed']);

/** How an event of this type ends its run; `null`: it does not. A run may end more than once. */
export const endStatusOf = (type: string): EndStatus | null => ENDS.get(type) ?? null;

/**
 * Whether a run has ended, by the types of its events in their order: the last that says something about it is right. `null`: this
 * one does not.
 */
export const hasEndedBy = (type: string): boolean | null => {
  if (ENDS.has(type) || type === 'RunArchived') return true;
  return REOPENING.has(type) ? false : null;
};
