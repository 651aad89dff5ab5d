import { nextDueMs, type Due, type Dues } from '../dues.js';

/** All dues of a run in words, in order. */
export const duesOf = ({ byKey }: Dues): readonly string[] =>
  [...byKey.values()].map(({ kind, step, atMs }) => `${kind} ${step} ${new Date(atMs).toISOString()}`).sort();

/** What is wrong with the order that they are kept in, or `null`. */
export const faultOf = (dues: Dues): string | null => {
  const { byKey, heap } = dues;
  const kept = new Set(heap);
  if ([...byKey.values()].some((due) => !kept.has(due))) return 'due that is in no heap';
  const isOrdered = (due: Due, index: number): boolean => index === 0 || heap[(index - 1) >> 1]!.atMs <= due.atMs;
  if (!heap.every(isOrdered)) return 'heap that is in no order';
  const earliestMs = Math.min(...[...byKey.values()].map(({ atMs }) => atMs));
  return nextDueMs(dues) === earliestMs ? null : 'earliest due that is not the first';
};
