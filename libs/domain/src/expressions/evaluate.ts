import type { ErrorInfo } from '../events.js';
import type { EvaluationResult } from '../evaluation.js';
import { payloadOf, type JsonText } from '../payload.js';
import type { Expression } from '../plan.js';
import { WorkExceeded, withinWork } from './work.js';
import { inPlace, Names, type Evaluate } from './in-place.js';
import { ExpressionFailed, isTruthy, jsonOf, valueOfJson, type Value } from './value.js';

/** What a name stands for; `null`: nothing. */
export type TextOf = (name: string) => JsonText | null;

/**
 * The values of expressions of which each surely ends; `null`: one does not. `first-true`: those after the first that holds have
 * none.
 */
export const evaluateHere = (
  expressions: readonly Expression[],
  mode: 'all' | 'first-true',
  textOf: TextOf,
): EvaluationResult | null => {
  const ready: Evaluate[] = [];
  for (const expression of expressions) {
    const evaluate = prepared(expression);
    if (evaluate === null) return null;
    ready.push(evaluate);
  }
  const known = new Map<string, Value>();
  const valueOf = (name: string): Value => {
    if (known.has(name)) return known.get(name);
    const text = textOf(name);
    const value = text === null ? undefined : valueOfJson(text);
    known.set(name, value);
    return value;
  };
  const all = (): readonly (JsonText | null)[] => {
    const values: (JsonText | null)[] = [];
    for (const evaluate of ready) {
      const value = evaluate(undefined, new Names(valueOf));
      const text = jsonOf(value);
      values.push(text === undefined ? null : payloadOf(text));
      if (mode === 'first-true' && isTruthy(value)) break;
    }
    return values;
  };
  try {
    return { values: withinWork(all) };
  } catch (error) {
    return { error: failureOf(error) };
  }
};

/** Too deep a value ends the stack; all else that is thrown is a bug. */
const failureOf = (error: unknown): ErrorInfo => {
  if (error instanceof ExpressionFailed) return { name: 'Stepwell.ExpressionFailed', cause: error.message };
  if (error instanceof WorkExceeded) return { name: 'Stepwell.ScriptTimeout', cause: error.message };
  if (error instanceof RangeError) return { name: 'Stepwell.ExpressionFailed', cause: 'it goes too deep' };
  throw error;
};

/** As long as its plan is in memory. */
const known = new WeakMap<Expression, Evaluate | null>();

const prepared = (expression: Expression): Evaluate | null => {
  const ready = known.get(expression);
  if (ready !== undefined) return ready;
  const made = expression.language === 'jsonata' ? inPlace(expression.source) : null;
  known.set(expression, made);
  return made;
};
