import type { Evaluation, EvaluationResult, Names } from './evaluation.js';
import type { ErrorInfo, StepKey } from './events.js';
import { payloadOf, NULL_TEXT, type JsonText } from './payload.js';
import { isComputed, type Computed, type Expression, type Given } from './plan.js';
import type { ScopeKey } from './run.js';

/** What one evaluation came to. */
export type Told = { readonly id: string; readonly result: EvaluationResult };

/** Whose value it is: of a step that is entered, or about to be. */
export type Asking = {
  readonly step: StepKey;
  readonly field: string;
  readonly scope: ScopeKey;
  /** Where the token of the scope stands. */
  readonly at: StepKey | null;
  readonly names: () => Names;
};

export type Value = { readonly value: JsonText } | { readonly error: ErrorInfo } | { readonly needs: Evaluation };

/** The constant; else what its evaluation came to, if that is what was told; else what is to be evaluated first. */
export const valueOf = (given: Given, asking: Asking, told: Told | null): Value => {
  if (!isComputed(given)) return { value: given };
  const id = `${asking.step}:${asking.field}`;
  if (told?.id === id) return 'error' in told.result ? told.result : { value: printed(given, told.result.values) };
  const { scope, at } = asking;
  return { needs: { id, scope, at, expressions: expressionsOf(given), mode: 'all', names: asking.names() } };
};

const expressionsOf = (computed: Computed): readonly Expression[] => {
  if ('js' in computed) return [{ language: 'js', source: computed.js }];
  return [{ language: 'jsonata', source: String(JSON.parse(computed.template)).slice(2, -2) }];
};

const printed = (_computed: Computed, [value]: readonly (JsonText | null)[]): JsonText => payloadOf(value ?? NULL_TEXT);
