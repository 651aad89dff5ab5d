/** More than an expression needs that is meant well; a million take 0.14 s at most, in which the process does nothing else. */
export const WORK_MAX = 1_000_000;

/** An evaluation has done all that one may do. */
export class WorkExceeded extends Error {
  constructor() {
    super(`it takes more than ${WORK_MAX} steps of evaluation`);
  }
}

let left = Number.POSITIVE_INFINITY;

/** Makes something that may do no more than `WORK_MAX`. Nothing here waits, so one evaluation at a time is measured. */
export const withinWork = <Made>(make: () => Made): Made => {
  left = WORK_MAX;
  try {
    return make();
  } finally {
    left = Number.POSITIVE_INFINITY;
  }
};

/**
 * Takes of the work of this evaluation. That an expression ends is not enough: lists in lists, and names that are bound to twice the
 * one before, take longer than anybody lives, or more memory than there is.
 */
export const spend = (work: number): void => {
  left -= work;
  if (left < 0) throw new WorkExceeded();
};

/** What a text costs that is made, compared or printed. */
export const spendText = ({ length }: string): void => spend(1 + (length >> CHARS_SHIFT));

/** Sixteen characters are one step. */
const CHARS_SHIFT = 4;
