import type { StepKey } from '../events.js';
import type { PlanNode } from '../plan.js';

/** A step as its history has it so far. */
export type Track = {
  readonly key: StepKey;
  readonly node: PlanNode;
  readonly parent: StepKey | null;
  readonly slot: number | null;
  readonly input: string;
  deadlineMs: number | null;
  readonly enteredMs: number;
  status: 'open' | 'completed' | 'failed' | 'cancelled' | 'skipped';
  output: string;
  /** Ended by `succeed`: what follows in its branch is not entered. */
  succeeds: boolean;
  error: string | null;
  attempts: number;
  attemptOpen: boolean;
  spent: number;
  retryAtMs: number;
};

/** Whether its token came to the end of its scope. */
export const isThrough = ({ status, node, succeeds }: Track): boolean =>
  status === 'completed' && (node.next === null || succeeds);

export const scopeName = (step: { readonly parent: StepKey | null; readonly slot: number | null }): string =>
  step.slot === null ? '' : `${step.parent}#${step.slot}`;

/** The open steps below a container, or of the run. */
export const openBelow = (steps: Iterable<Track>, container: StepKey | null): readonly Track[] =>
  [...steps].filter(({ key, status }) => status === 'open' && (container === null || key.startsWith(`${container}.`)));

/** Their attempts in flight, in words, in order. */
export const inFlightOf = (steps: readonly Track[]): readonly string[] =>
  steps
    .filter(({ attemptOpen }) => attemptOpen)
    .map(({ key, attempts }) => `${key} ${attempts}`)
    .sort();
