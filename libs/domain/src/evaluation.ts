import type { ErrorInfo, StepKey } from './events.js';
import type { JsonText, PayloadRef } from './payload.js';
import type { Expression } from './plan.js';
import type { ScopeKey } from './run.js';

/**
 * What a move needs before it can be made: the value of an expression of the plan, which somebody else computes. It is owed as
 * the move is, so that a restart asks for it again; meanwhile the other scopes of the run go on.
 */
export type Evaluation = {
  /** Of all evaluations of its run; the same whenever it is asked for. */
  readonly id: string;
  /** Where the token stands that waits for it, and the step it is in. */
  readonly scope: ScopeKey;
  readonly step: StepKey;
  readonly expression: Expression;
  /** What its names stand for. */
  readonly inputs: Readonly<Record<string, PayloadRef>>;
};

/** What came of it: a value, or an error, which fails the step. */
export type EvaluationResult = { readonly value: JsonText } | { readonly error: ErrorInfo };
