import type { ErrorInfo, StepKey } from './events.js';
import type { JsonText, PayloadRef } from './payload.js';
import type { Expression } from './plan.js';
import type { ScopeKey } from './run.js';

/**
 * What a move needs before it can be made: the values of expressions of the plan, which somebody else computes. It is owed as
 * the move is, so that a restart asks for it again; meanwhile the other scopes of the run go on.
 */
export type Evaluation = {
  /** Of all evaluations of its run; the same whenever it is asked for. */
  readonly id: string;
  /** Whose move it is, and where its token stands meanwhile. */
  readonly scope: ScopeKey;
  readonly at: StepKey | null;
  readonly expressions: readonly Expression[];
  /** `first-true`: what comes after the first that holds is not evaluated, and has no value. */
  readonly mode: 'all' | 'first-true';
  /** What names stand for, without their `$`. */
  readonly names: Names;
};

export type Names = Readonly<Record<string, Operand>>;
/** A payload of the run, or one that is stored nowhere yet. */
export type Operand = PayloadRef | { readonly value: JsonText };

/** What came of it: a value of each expression, in their order, `null` where it gave nothing; or an error, which fails the step. */
export type EvaluationResult = { readonly values: readonly (JsonText | null)[] } | { readonly error: ErrorInfo };
