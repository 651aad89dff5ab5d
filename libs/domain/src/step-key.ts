import type { StepKey } from './events.js';

/** What a step key says: `items.3.charge`, `loop.poll~2`. */
export type StepKeyParts = {
  /** The step it sits in; `null` at the root. */
  readonly container: StepKey | null;
  /** Which slot of the container, where all slots run the same nodes at the same time. */
  readonly item: number | null;
  /** Of its node. */
  readonly name: string;
  /** Which entry of the node there, from 1. */
  readonly entry: number;
};

/** Makes the key. Names begin with a letter and hold neither `.` nor `~`, so that it can be taken apart. */
export const makeStepKey = ({ container, item, name, entry }: StepKeyParts): StepKey => {
  const own = entry === 1 ? name : `${name}~${entry}`;
  if (container === null) return own;
  return item === null ? `${container}.${own}` : `${container}.${item}.${own}`;
};

/** Takes a key apart. Of what is no key it says something too. */
export const stepKeyParts = (key: StepKey): StepKeyParts => {
  const { before, last } = cut(key);
  const again = last.indexOf('~');
  const name = again === -1 ? last : last.slice(0, again);
  const entry = again === -1 ? 1 : Number(last.slice(again + 1));
  if (before === null) return { container: null, item: null, name, entry };
  const outer = cut(before);
  return outer.before !== null && ITEM.test(outer.last)
    ? { container: outer.before, item: Number(outer.last), name, entry }
    : { container: before, item: null, name, entry };
};

const ITEM = /^\d+$/;

const cut = (key: StepKey): { readonly before: StepKey | null; readonly last: string } => {
  const dot = key.lastIndexOf('.');
  return dot === -1 ? { before: null, last: key } : { before: key.slice(0, dot), last: key.slice(dot + 1) };
};

/** Whether it is not the first entry of its node there. */
export const isEnteredAgain = (key: StepKey): boolean => key.lastIndexOf('~') > key.lastIndexOf('.');

/** Whether a step sits in a container, however deep; all do in the run itself (`null`). */
export const isBelow = (key: StepKey, container: StepKey | null): boolean =>
  container === null || (key.length > container.length && key[container.length] === '.' && key.startsWith(container));
