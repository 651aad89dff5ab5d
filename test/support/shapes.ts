/** The shapes that the API answers with, as a client knows them. Written apart from the server's own types on purpose. */
export type ErrorShape = { readonly name: string; readonly cause: unknown };

export type AttemptShape = {
  readonly number: number;
  readonly outcome: 'running' | 'succeeded' | 'refused' | 'not-executed' | 'may-have-executed' | 'unknown';
  readonly status: number | null;
  readonly error: ErrorShape | null;
  readonly url: string | null;
  readonly startedAt: string;
  readonly endedAt: string | null;
  readonly retryAt: string | null;
  readonly dispatcher: string | null;
};

export type StepShape = {
  readonly key: string;
  readonly name: string;
  readonly type: string;
  readonly status: string;
  readonly input: unknown;
  readonly output: unknown;
  readonly error: ErrorShape | null;
  readonly enteredAt: string | null;
  readonly startedAt: string | null;
  readonly finishedAt: string | null;
  readonly attempts: readonly AttemptShape[];
  readonly steps: readonly StepShape[];
};

export type RunShape = {
  readonly id: string;
  readonly key: string;
  readonly workflow: string | null;
  readonly version: number | string | null;
  readonly status: string;
  readonly reason: string | null;
  readonly input: unknown;
  readonly output: unknown;
  readonly error: ErrorShape | null;
  readonly createdAt: string;
  readonly finishedAt: string | null;
  readonly revision: number;
  readonly waiting: readonly { readonly step: string; readonly for: string; readonly until: string | null }[];
  readonly steps: readonly StepShape[];
};

export type EventShape = {
  readonly id: string;
  readonly type: string;
  readonly revision: number;
  readonly recordedAt: string;
  readonly data: Readonly<Record<string, unknown>>;
};

export type ListShape<T> = { readonly items: readonly T[]; readonly nextCursor: string | null };

/** All steps of a run, containers included, in the order of the tree. */
export const allSteps = (steps: readonly StepShape[]): StepShape[] =>
  steps.flatMap((step) => [step, ...allSteps(step.steps)]);

export const hasEnded = (run: RunShape): boolean => run.status !== 'running' && run.status !== 'paused';
