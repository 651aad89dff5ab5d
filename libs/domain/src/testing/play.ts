import { DEFAULT_RUN_LIMITS, type RunLimits } from '../commands.js';
import { compileTree } from '../definition/compile-tree.js';
import { nextDueMs } from '../dues.js';
import type { RunEvent } from '../events.js';
import { evolve } from '../evolve.js';
import type { RunHistory } from '../run-history.js';
import { toInstant } from '../instant.js';
import { obligations } from '../obligations.js';
import type { RunState } from '../run-state.js';
import { decide } from '../decide.js';
import { historyOf, settle } from './given-when-then.js';
import { completeAttempt, failAttempt, startAttempt, startRun, T0, WAKE_UP } from './run-facts.js';
import { json } from './tree-plans.js';

export type Played = {
  readonly run: RunState;
  /** The same to be shown: the run has forgotten the steps that are over. */
  readonly history: RunHistory;
  readonly events: readonly RunEvent[];
  /** The keys of the steps, in the order in which they were entered. */
  readonly keys: readonly string[];
  /** What was in flight at most at one time. */
  readonly inFlightMax: number;
  readonly endMs: number;
};

/** What an application answers a step; an error fails it for good. */
export type Answer = (key: string, input: unknown) => unknown;
export class Refusal {
  constructor(readonly name: string) {}
}

type Given = {
  readonly input?: unknown;
  readonly variables?: unknown;
  readonly fromStep?: string;
  readonly answer?: Answer;
  readonly limits?: Partial<RunLimits>;
  /** Looks at the run after each command. */
  readonly seen?: (run: RunState) => void;
};

const ROUNDS_MAX = 30_000;
const NO_ANSWER: Answer = (_key, input) => input;

/** Runs a definition to its end: every attempt is answered, the one that began first before the others, and all time passes that is waited for. */
export const play = (document: object, given: Given = {}): Played => {
  const { plan, findings } = compileTree({ target: 'http://app.test', ...document });
  if (plan === null) throw new Error(`no plan: ${JSON.stringify(findings)}`);
  const { input = null, variables = {}, fromStep = null, answer = NO_ANSWER, limits = {} } = given;
  const events: RunEvent[] = [];
  let atMs = T0;
  let run: RunState | null = null;
  let inFlightMax = 0;
  const context = () => ({ plan, atMs, limits: { ...DEFAULT_RUN_LIMITS, ...limits }, isUnsent: () => false });
  const take = (command: Parameters<typeof decide>[0]): void => {
    const decision = decide(command, run, context());
    if (!decision.accepted) throw new Error(JSON.stringify(decision));
    for (const event of decision.events) run = evolve(run, event, toInstant(atMs));
    events.push(...decision.events);
    if (run === null) return;
    const more = settle(run, context());
    run = more.run;
    events.push(...more.events);
    given.seen?.(run);
  };
  take(startRun({ input: json(input), variables: json(variables), fromStep }));
  for (let round = 0; round < ROUNDS_MAX; round++) {
    const state = run as RunState | null;
    if (state === null || state.status !== 'running') break;
    const ready = [...state.obligations.ready.values()].flatMap((keys) => [...keys]);
    for (const key of ready) take(startAttempt(key));
    const inFlight = [...state.obligations.inFlight.keys()];
    inFlightMax = Math.max(inFlightMax, inFlight.length);
    const [first] = inFlight;
    if (first !== undefined) {
      const { input: text, attempts } = state.steps.get(first)!;
      const output = answer(first, JSON.parse(text));
      const number = attempts.length;
      if (!(output instanceof Refusal)) take(completeAttempt(first, number, output));
      else take(failAttempt(first, number, { retryable: false, error: { name: output.name, cause: null } }));
      continue;
    }
    const dueMs = nextDueMs(obligations(state).dues);
    if (dueMs === Infinity) throw new Error(`nothing is owed: ${JSON.stringify(events.at(-1))}`);
    atMs = Math.max(atMs, dueMs);
    take(WAKE_UP);
  }
  const ended = run as RunState | null;
  if (ended === null) throw new Error('no run');
  const keys = events.flatMap((event) => (event.type === 'StepEntered' ? [event.step] : []));
  const history = historyOf(events);
  return { run: ended, history, events, keys, inFlightMax, endMs: atMs };
};

/** How the run ended: its output, or the name and cause of its error. */
export const endOf = ({ run }: Played): unknown => {
  if (run.status === 'completed') return JSON.parse(run.output ?? 'null');
  return { [run.status]: run.error?.name, cause: run.error?.cause };
};
