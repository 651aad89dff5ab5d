import type { StepEntered, StepKey } from './events.js';
import { NODE_KINDS } from './nodes/node-kinds.js';
import type { Attempt, PayloadSource, Run, ScopeKey, Slots, Step } from './run.js';

type Mutable<T> = { -readonly [K in keyof T]: T[K] };
export type AttemptState = Mutable<Attempt>;
type SlotsState = Mutable<Omit<Slots, 'outputs'>> & { outputs: (PayloadSource | null)[] };
export type StepState = Mutable<Omit<Step, 'attempts' | 'slots'>> & {
  attempts: AttemptState[];
  slots: SlotsState | null;
};

/** The mutable side of a run; only `evolve` writes it. */
export type RunState = Mutable<
  Omit<Run, 'steps' | 'obligations' | 'tokens' | 'payloads' | 'duesMovedAt' | 'entries'>
> & {
  duesMovedAt: Map<StepKey, string> | null;
  steps: Map<StepKey, StepState>;
  entries: Map<StepKey, number> | null;
  tokens: Map<ScopeKey, StepKey | null>;
  payloads: Map<number, readonly PayloadSource[]>;
  obligations: {
    moves: Set<ScopeKey>;
    ready: Map<string, Set<StepKey>>;
    again: Set<StepKey>;
    retries: Map<StepKey, string>;
    inFlight: Map<StepKey, string>;
    deadlines: Map<StepKey, string>;
    timeoutAt: string | null;
  };
};

/** A step as it is entered. */
export const newStep = (event: StepEntered, input: PayloadSource, at: string): StepState => ({
  key: event.step,
  node: event.node,
  name: event.name,
  kind: event.kind,
  parent: event.parent,
  slot: event.slot,
  status: NODE_KINDS[event.kind].awaits === 'attempt' ? 'scheduled' : 'running',
  input: input.text,
  inputRef: input,
  output: null,
  outputRef: null,
  error: null,
  enteredAt: at,
  finishedAt: null,
  deadlineAt: event.deadlineAt,
  request: event.request,
  attempts: [],
  budgetUsed: 0,
  retryAt: null,
  slots: event.slots === null ? null : newSlots(event.slots.count),
  endedSlot: false,
});

const newSlots = (count: number): SlotsState => ({
  opened: 0,
  left: count,
  outputs: new Array<PayloadSource | null>(count).fill(null),
});

/** An attempt as it is started. */
export const newAttempt = (number: number, dispatcher: string, boot: string, at: string): AttemptState => ({
  number,
  outcome: 'running',
  status: null,
  error: null,
  body: null,
  startedAt: at,
  endedAt: null,
  retryAt: null,
  interrupted: false,
  dispatcher,
  boot,
});
