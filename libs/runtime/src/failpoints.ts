import assert from 'node:assert/strict';

type Failpoint = { readonly where: string; action: (() => void) | null };

const known = new Map<string, Failpoint>();
let armedCount = 0;

/**
 * Declares a place where a test may strike: `const afterCommit = failpoint('sqlite.after-commit', 'After the commit,
 * before anybody is answered.')`, then `afterCommit()` in that place. Unless a test has armed it, the call is one
 * comparison. A failpoint lives in the thread that has declared it.
 */
export const failpoint = (name: string, where: string): (() => void) => {
  assert(!known.has(name), `failpoint ${name} is declared twice`);
  const point: Failpoint = { where, action: null };
  known.set(name, point);
  return () => {
    if (armedCount !== 0) point.action?.();
  };
};

/** For tests: `action` runs (and may throw) each time the place is reached; the returned function takes it back. */
export const armFailpoint = (name: string, action: () => void): (() => void) => {
  const point = known.get(name);
  assert(point, `no failpoint ${name}; known: ${[...known.keys()].join(', ')}`);
  assert(point.action === null, `failpoint ${name} is armed already`);
  point.action = action;
  armedCount++;
  return () => {
    if (point.action !== action) return;
    point.action = null;
    armedCount--;
  };
};

/** Every failpoint declared so far with the sentence that says where it fires. */
export const failpoints = (): ReadonlyMap<string, string> =>
  new Map([...known].map(([name, { where }]) => [name, where]));
