import type { StepKey } from './events.js';
import { beforeChange, NotedMap } from './undo.js';

/**
 * What comes due by time alone. `run`: it times out. `step`: it must have ended (`stepMs`). `attempts`: no further attempt of
 * a step starts (`totalTimeoutMs`), and none is in flight. `wait`: it has waited long enough. `retry`: its next attempt may start.
 */
export const DUE_KINDS = ['run', 'step', 'attempts', 'wait', 'retry'] as const;
export type DueKind = (typeof DUE_KINDS)[number];

/** `step`: `''` of the run's own. */
export type Due = { readonly kind: DueKind; readonly step: StepKey; readonly atMs: number };

/** All dues of a run: of a step several at once, one of a kind. The earliest is known without a search. */
export type Dues = {
  /** By kind and step: what is not in it is not due, whatever stands in the heap. */
  readonly byKey: ReadonlyMap<string, Due>;
  /** A binary heap, the earliest first. Holds every due of `byKey`, and such as were dropped since; never one of those first. */
  readonly heap: readonly Due[];
};

export type DuesState = { readonly byKey: Map<string, Due>; readonly heap: Due[] };

export const noDues = (): DuesState => ({ byKey: new NotedMap(), heap: [] });

const keyOf = (kind: DueKind, step: StepKey): string => `${kind} ${step}`;

/** When this is due; `undefined`: it is not. */
export const dueMs = ({ byKey }: Dues, kind: DueKind, step: StepKey): number | undefined =>
  byKey.size === 0 ? undefined : byKey.get(keyOf(kind, step))?.atMs;

/** Makes it due then, and no more at another time. */
export const setDue = (dues: DuesState, kind: DueKind, step: StepKey, atMs: number): void => {
  dropDue(dues, kind, step);
  const due = { kind, step, atMs };
  // Taken back, it is out of the map first.
  beforeChange(() => () => dropStale(dues));
  dues.byKey.set(keyOf(kind, step), due);
  push(dues.heap, due);
};

export const dropDue = (dues: DuesState, kind: DueKind, step: StepKey): void => {
  if (dues.byKey.size === 0) return;
  const key = keyOf(kind, step);
  const due = dues.byKey.get(key);
  if (due === undefined) return;
  dues.byKey.delete(key);
  // It may be gone from the heap by then; that it stands there twice does no harm.
  beforeChange(() => () => push(dues.heap, due));
  if (dues.heap.length > 2 * dues.byKey.size + STALE_MAX) rebuild(dues);
  else dropStale(dues);
};

/** So many that were dropped may stand in the heap beside as many as there are. */
const STALE_MAX = 32;

/** The earliest of all dues but those retries that were due by `seenMs`: they wait for a slot, and no more for their time. */
export const nextDueMs = (dues: Dues, seenMs = -Infinity): number => {
  const [first] = dues.heap;
  if (first === undefined) return Infinity;
  if (first.kind !== 'retry' || first.atMs > seenMs) return first.atMs;
  let nextMs = Infinity;
  visit(dues, (due) => {
    const isSeen = due.kind === 'retry' && due.atMs <= seenMs;
    if (!isSeen && isCurrent(dues, due)) nextMs = Math.min(nextMs, due.atMs);
    return isSeen || !isCurrent(dues, due) ? 'below' : 'not below';
  });
  return nextMs;
};

/** Steps whose retries are due. */
export const dueRetries = (dues: Dues, atMs: number): readonly StepKey[] => {
  const [first] = dues.heap;
  if (first === undefined || first.atMs > atMs) return NONE;
  const steps = new Set<StepKey>();
  visit(dues, (due) => {
    if (due.atMs > atMs) return 'not below';
    if (due.kind === 'retry' && isCurrent(dues, due)) steps.add(due.step);
    return 'below';
  });
  return [...steps];
};

const NONE: readonly StepKey[] = [];

/** The earliest that is no retry, when it is due. */
export const firstLate = (dues: Dues, atMs: number): Due | null => {
  const late: Due[] = [];
  visit(dues, (due) => {
    if (due.atMs > atMs) return 'not below';
    if (due.kind === 'retry' || !isCurrent(dues, due)) return 'below';
    const [known] = late;
    if (known === undefined || isBefore(due, known)) late[0] = due;
    return 'not below';
  });
  return late[0] ?? null;
};

const isCurrent = ({ byKey }: Dues, due: Due): boolean => byKey.get(keyOf(due.kind, due.step)) === due;

const isBefore = (a: Due, b: Due): boolean =>
  a.atMs < b.atMs || (a.atMs === b.atMs && (a.step < b.step || (a.step === b.step && a.kind < b.kind)));

/** From the first on, as far down as it is asked to. */
const visit = ({ heap }: Dues, look: (due: Due) => 'below' | 'not below'): void => {
  const open = heap.length === 0 ? [] : [0];
  for (let index = open.pop(); index !== undefined; index = open.pop()) {
    const due = heap[index];
    if (due !== undefined && look(due) === 'below') open.push(2 * index + 2, 2 * index + 1);
  }
};

const dropStale = (dues: DuesState): void => {
  const { heap } = dues;
  for (let first = heap[0]; first !== undefined && !isCurrent(dues, first); first = heap[0]) {
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    heap[0] = last;
    sink(heap, 0);
  }
};

const rebuild = ({ byKey, heap }: DuesState): void => {
  heap.length = 0;
  for (const due of byKey.values()) heap.push(due);
  for (let index = heap.length >> 1; index >= 0; index--) sink(heap, index);
};

const push = (heap: Due[], due: Due): void => {
  let index = heap.push(due) - 1;
  while (index > 0) {
    const above = (index - 1) >> 1;
    const parent = heap[above];
    if (parent === undefined || !isBefore(due, parent)) break;
    heap[index] = parent;
    index = above;
  }
  heap[index] = due;
};

const sink = (heap: Due[], from: number): void => {
  const due = heap[from];
  if (due === undefined) return;
  let index = from;
  for (;;) {
    let below = 2 * index + 1;
    const left = heap[below];
    if (left === undefined) break;
    const right = heap[below + 1];
    const child = right !== undefined && isBefore(right, left) ? right : left;
    if (child === right) below += 1;
    if (!isBefore(child, due)) break;
    heap[index] = child;
    index = below;
  }
  heap[index] = due;
};
