import type { Evaluation, EvaluationResult, Names, Operand } from './evaluation.js';
import type { ErrorInfo, StepKey } from './events.js';
import { evaluateHere } from './expressions/evaluate.js';
import { NODE_KINDS } from './nodes/node-kinds.js';
import type { Asks } from './nodes/node-kind.js';
import { payloadOf, type JsonText } from './payload.js';
import { sourceOf } from './payloads.js';
import type { Expression } from './plan.js';
import { scopeOf, type Run } from './run.js';

/** What one evaluation came to. */
export type Told = { readonly id: string; readonly result: EvaluationResult };

/** Whose values are asked for: of a step that is entered, or about to be. */
export type Asking = {
  readonly step: StepKey;
  /** Of all evaluations of the step. */
  readonly field: string;
  readonly parent: StepKey | null;
  readonly slot: number | null;
  /** Names of its own, beside those of the place. */
  readonly own: Names;
};

export type Evaluated =
  { readonly values: readonly (JsonText | null)[] } | { readonly error: ErrorInfo } | { readonly needs: Evaluation };

const NOTHING: Evaluated = { values: [] };

/**
 * What surely ends is evaluated at once. Of all else what its evaluation came to, if that is what was told; else what is to be
 * evaluated first. Of nothing nothing is asked.
 */
export const evaluated = (run: Run, { expressions, mode }: Asks, asking: Asking, told: Told | null): Evaluated => {
  if (expressions.length === 0) return NOTHING;
  const isUsed = (name: string): boolean => expressions.some(({ source }) => source.includes(name));
  const isNamed = expressions.some(asksForAll) ? () => true : isUsed;
  const here = evaluateHere(expressions, mode, (name) => {
    for (const [known, operand] of namesAt(run, asking, isNamed)) if (known === name) return textOf(run, operand());
    return null;
  });
  if (here !== null) return here;
  const id = `${asking.step}:${asking.field}`;
  if (told?.id === id) return told.result;
  const scope = scopeOf(asking);
  const names: Record<string, Operand> = {};
  for (const [name, operand] of namesAt(run, asking, isNamed)) if (isUsed(name)) names[name] ??= operand();
  return { needs: { id, scope, at: run.tokens.get(scope) ?? null, expressions, mode, names } };
};

/** Whether it may look at more of what is kept by name than it says. */
const asksForAll = ({ language, source }: Expression): boolean =>
  language === 'js' || /\$steps(?!\s*\.\s*[\w`])/.test(source);

/** All names at a place, the nearest first. `isNamed`: whether a name may be asked for. */
function* namesAt(
  run: Run,
  asked: Asking,
  isNamed: (name: string) => boolean,
): Generator<readonly [name: string, operand: () => Operand]> {
  const { own, parent, slot } = asked;
  for (const [name, operand] of Object.entries(own)) yield [name, () => operand];
  let at = { parent, slot };
  while (at.parent !== null && at.slot !== null) {
    const container = run.steps.get(at.parent);
    if (container === undefined) break;
    const { slot: of } = at;
    const kind = NODE_KINDS[container.kind];
    if (kind.numbersSlots) {
      yield ['item', () => kind.inputOfSlot(container, of)];
      yield ['index', () => ({ value: payloadOf(String(of)) })];
    }
    if (kind.opens === 'one by one') yield ['round', () => ({ value: payloadOf(String(of + 1)) })];
    at = container;
  }
  yield ['steps', () => ({ value: keptText(run, asked, isNamed) })];
  yield ['variables', () => ({ revision: 0, pointer: '/variables' })];
  yield ['run', () => ({ value: runText(run) })];
}

export const textOf = ({ payloads }: Run, operand: Operand): JsonText =>
  'value' in operand ? operand.value : sourceOf(payloads, operand).text;

/** What is kept by name at a place, the nearest over the others, as one object; those alone that may be asked for. */
const keptText = (run: Run, { parent, slot }: Asking, isNamed: (name: string) => boolean): JsonText => {
  const kept = new Map<string, string>();
  let at = { parent, slot };
  for (;;) {
    for (const [name, { text }] of run.names.get(scopeOf(at)) ?? [])
      if (!kept.has(name) && isNamed(name)) kept.set(name, `${JSON.stringify(name)}:${text}`);
    const container = at.parent === null ? undefined : run.steps.get(at.parent);
    if (container === undefined) break;
    at = container;
  }
  return payloadOf(`{${[...kept.values()].join(',')}}`);
};

const runText = ({ started, startedAt }: Run): JsonText => {
  const { id, key, workflow, version, namespace, tags, input } = started;
  const known = JSON.stringify({ id, key, workflow, version, namespace, startedAt, tags });
  return payloadOf(`${known.slice(0, -1)},"input":${input}}`);
};
