import { textOf, type Evaluation, type EvaluationResult, type JsonText, type Run, type ScopeKey } from '#domain';
import type { EngineParts } from './engine-parts.js';
import type { KnownRun } from './load-run.js';
import type { RunId } from './runs.js';

/** What the names in an expression stand for. */
export type EvaluationInputs = Readonly<Record<string, JsonText>>;

/** Computes what moves need and `decide` cannot give: what may never end. An engine without one leaves those moves owed. */
export interface Evaluator {
  /** Calls back once, whenever that is. What the evaluation needs is in the log by now. */
  evaluate(
    runId: RunId,
    evaluation: Evaluation,
    inputs: EvaluationInputs,
    done: (result: EvaluationResult) => void,
  ): void;
}

/** By the scope whose move needs it. `null`: there is none, as in nearly every run. */
export type Evaluations = Map<ScopeKey, Evaluation> | null;

/** Whether the token of a scope waits for one of them where it is now: then the scope is asked for no move. */
export const isAwaited = (evaluations: Evaluations, scope: ScopeKey, { tokens }: Run): boolean => {
  if (evaluations === null) return false;
  const evaluation = evaluations.get(scope);
  return evaluation !== undefined && evaluation.at === (tokens.get(scope) ?? null);
};

const inputsOf = ({ names }: Evaluation, run: Run): EvaluationInputs =>
  Object.fromEntries(Object.entries(names).map(([name, operand]) => [name, textOf(run, operand)]));

/** The result is there: the scope moves by itself again. */
export const settle = ({ scope, id }: Pick<Evaluation, 'scope' | 'id'>, ...all: readonly Evaluations[]): void => {
  for (const evaluations of all) if (evaluations?.get(scope)?.id === id) evaluations.delete(scope);
};

type Asking = KnownRun & { evaluating: Evaluations };

/** Whether something comes back to the run by itself: an answer, or a result. */
export const isAwaiting = ({ evaluating, state }: Asking): boolean =>
  (evaluating !== null && evaluating.size > 0) || (state !== null && state.obligations.inFlight.size > 0);

/** Has evaluated what moves of a run need, which its owner alone makes, and sends it the results, wherever it is in memory by then. */
export const askFor = (
  needs: NonNullable<Evaluations>,
  asking: Asking,
  { runs, owner, evaluator }: EngineParts,
): void => {
  const { runId, state } = asking;
  if (evaluator === null || owner === null || state === null) return;
  for (const evaluation of needs.values()) {
    const { scope, id } = evaluation;
    (asking.evaluating ??= new Map()).set(scope, evaluation);
    evaluator.evaluate(runId, evaluation, inputsOf(evaluation, state), (result) =>
      runs.of(runId).send({
        command: { type: 'Evaluated', scope, id, result },
        ...{ plan: null, origin: owner.origin, answerByMs: Infinity, done: null },
      }),
    );
  }
};
