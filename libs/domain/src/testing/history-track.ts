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
