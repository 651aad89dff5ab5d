/** Ends every switch over a union: the compiler refuses a case that is missing, and a run that gets here is a bug. */
export const unreachable = (value: never): never => {
  throw new Error(`unreachable: ${JSON.stringify(value)}`);
};

/** A bug: the plan or the run lacks what its own events name. The process may die; nothing is decided on a guess. */
export const missing = (what: string): never => {
  throw new Error(`bug: ${what} is missing`);
};
