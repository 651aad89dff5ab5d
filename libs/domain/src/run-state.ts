import type { RunStarted, StepEntered, StepKey } from './events.js';
import { NODE_KINDS } from './nodes/node-kinds.js';
import { noDues, setDue, type DuesState } from './dues.js';
import { toMs } from './instant.js';
import { byteLength, type JsonText } from './payload.js';
import { startPayloads } from './payloads.js';
import { beforeChange, noteFields, NotedMap, NotedSet } from './undo.js';
import type { Attempt, PayloadSource, Run, ScopeKey, Slots, Step } from './run.js';

type Mutable<T> = { -readonly [K in keyof T]: T[K] };
export type AttemptState = Mutable<Attempt>;
type SlotsState = Mutable<Omit<Slots, 'open' | 'outputs'>> & { open: Set<number>; outputs: (PayloadSource | null)[] };
export type StepState = Mutable<Omit<Step, 'attempts' | 'slots'>> & {
  attempts: AttemptState[];
  slots: SlotsState | null;
};

/** The mutable side of a run; only `evolve` writes it. */
export type RunState = Mutable<
  Omit<Run, 'steps' | 'obligations' | 'tokens' | 'payloads' | 'duesMovedAt' | 'entries' | 'names'>
> & {
  duesMovedAt: Map<StepKey, string> | null;
  steps: Map<StepKey, StepState>;
  entries: Map<string, Map<string, number>>;
  names: Map<ScopeKey, Map<string, PayloadSource>>;
  /** How often each payload is referred to, by the revision of its event. */
  uses: Map<number, number>;
  /** Of the texts of all payloads that are kept. */
  payloadChars: number;
  tokens: Map<ScopeKey, StepKey | null>;
  payloads: Map<number, readonly PayloadSource[]>;
  obligations: {
    moves: Set<ScopeKey>;
    ready: Map<string, Set<StepKey>>;
    inFlight: Map<StepKey, string>;
    dues: DuesState;
  };
};

/** A run as it starts. */
export const newRun = (event: RunStarted, at: string): RunState => ({
  started: event,
  startedAt: at,
  status: 'running',
  reason: null,
  error: null,
  output: null,
  outputRef: null,
  finishedAt: null,
  timeoutAt: event.timeoutAt,
  duesMovedAt: null,
  revision: 0,
  enteredSteps: 0,
  payloadBytes: byteLength(event.variables) + byteLength(event.input),
  steps: new NotedMap(),
  entries: new NotedMap(),
  names: new NotedMap(),
  uses: new NotedMap(),
  payloadChars: event.variables.length + event.input.length,
  tokens: new NotedMap([['', null]]),
  payloads: new NotedMap([[0, startPayloads(event)]]),
  archived: null,
  duplicates: { count: 0, refused: 0, notedAt: null },
  obligations: {
    moves: new NotedSet(['']),
    ready: new NotedMap(),
    inFlight: new NotedMap(),
    dues: duesOf(event),
  },
});

const duesOf = ({ timeoutAt }: RunStarted): DuesState => {
  const dues = noDues();
  if (timeoutAt !== null) setDue(dues, 'run', '', toMs(timeoutAt));
  return dues;
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
  retriesEndAt: event.retriesEndAt,
  request: event.request,
  policy: event.policy,
  edge: null,
  attempts: [],
  budgetUsed: 0,
  retryAt: null,
  computes: event.computes,
  slots: event.slots === null ? null : newSlots(0, event.slots.count),
  items: null,
  wait: null,
  endedSlot: false,
});

/** So many, `from` being the first. */
export const newSlots = (from: number, count: number): SlotsState => ({
  opened: from,
  open: new NotedSet(),
  left: count,
  endedBySucceed: false,
  outputs: new Array<PayloadSource | null>(from + count).fill(null),
});

/** An attempt as it is started. */
export const newAttempt = (number: number, dispatcher: string, boot: string, at: string): AttemptState => ({
  number,
  outcome: 'running',
  status: null,
  error: null,
  startedAt: at,
  endedAt: null,
  retryAt: null,
  interrupted: false,
  dispatcher,
  boot,
});

/** Of what this event stores itself; what a join brings is stored by its parts. */
export const countPayload = (run: RunState, text: JsonText): void => {
  run.payloadBytes += byteLength(text);
};

export const updateStep = (run: RunState, key: StepKey, change: (step: StepState) => void): void => {
  const step = run.steps.get(key);
  if (step === undefined) return;
  noteStep(step);
  change(step);
};

export const noteStep = (step: StepState): void => {
  const { length } = step.attempts;
  beforeChange(() => () => (step.attempts.length = length));
  noteFields(step.attempts.at(-1) ?? {});
  noteFields(step);
};
