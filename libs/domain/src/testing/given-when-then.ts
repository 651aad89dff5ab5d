import { expect } from '@jest/globals';
import {
  DEFAULT_RUN_LIMITS,
  type Context,
  type IsUnsent,
  type Rejection,
  type RunCommand,
  type RunLimits,
} from '../commands.js';
import { decide } from '../decide.js';
import type { RunEvent } from '../events.js';
import { evolve } from '../evolve.js';
import { foldHistory, type HistoryState } from '../history-fold.js';
import type { RunHistory } from '../run-history.js';
import type { RunState } from '../run-state.js';
import { toInstant } from '../instant.js';
import type { Plan } from '../plan.js';
import { ADVANCE, T0 } from './run-facts.js';

/** Time that passes inside a given history. */
export type Pause = { readonly pauseMs: number };
export const pause = (pauseMs: number): Pause => ({ pauseMs });

/** What came of a command; each `then…` compares everything, in order. */
export type Outcome = {
  readonly events: readonly RunEvent[];
  readonly run: RunState | null;
  readonly thenEvents: (...expected: readonly RunEvent[]) => void;
  readonly thenNothing: () => void;
  readonly thenRejected: (expected: Rejection) => void;
};

type Given = {
  readonly run: RunState | null;
  /** One decision. */
  readonly when: (command: RunCommand) => Outcome;
  /** One decision, then `Advance` until no token can move, as an owner does it. */
  readonly whenSettled: (command: RunCommand) => Outcome;
};

/** Given a history of whole events, when a command comes, then exactly these events in this order, or this rejection. */
export const onPlan = (plan: Plan, limits: Partial<RunLimits> = {}, isUnsent: IsUnsent = () => false) => ({
  given: (...history: readonly (RunEvent | Pause)[]): Given => {
    let atMs = T0;
    let run: RunState | null = null;
    for (const item of history) {
      if ('pauseMs' in item) atMs += item.pauseMs;
      else run = evolve(run, item, toInstant(atMs));
    }
    return from(run, { plan, atMs, limits: { ...DEFAULT_RUN_LIMITS, ...limits }, isUnsent });
  },
});

/** What a history of whole events shows. */
export const historyOf = (history: readonly (RunEvent | Pause)[]): RunHistory => {
  let atMs = T0;
  let shown: HistoryState | null = null;
  for (const item of history) {
    if ('pauseMs' in item) atMs += item.pauseMs;
    else shown = foldHistory(shown, item, toInstant(atMs));
  }
  if (shown === null) throw new Error('this history has no run');
  return shown;
};

/** Given what a run has become. */
export const from = (run: RunState | null, context: Context): Given => ({
  run,
  when: (command) => outcomeOf(command, run, context, false),
  whenSettled: (command) => outcomeOf(command, run, context, true),
});

const outcomeOf = (command: RunCommand, before: RunState | null, context: Context, settled: boolean): Outcome => {
  const decision = decide(command === ADVANCE ? advanceFirst(before) : command, before, context);
  const events = decision.accepted ? [...decision.events] : [];
  let run = fold(before, events, toInstant(context.atMs));
  if (settled && run !== null) {
    const more = settle(run, context);
    events.push(...more.events);
    run = more.run;
  }
  return {
    events,
    run,
    thenEvents: (...expected) => expect(decision.accepted ? events : decision).toStrictEqual(expected),
    thenNothing: () => expect(decision.accepted ? events : decision).toStrictEqual([]),
    thenRejected: (rejection) => expect(decision).toStrictEqual({ accepted: false, rejection }),
  };
};

/** Of the first scope that can move. */
const advanceFirst = (run: RunState | null): RunCommand => ({
  type: 'Advance',
  scope: run?.obligations.moves.values().next().value ?? '',
});

export const fold = (run: RunState | null, events: readonly RunEvent[], at: string): RunState | null =>
  events.reduce<RunState | null>((state, event) => evolve(state, event, at), run);

/** More than any plan of these tests makes: what goes on past it moves in a circle. */
const SETTLED_EVENTS_MAX = 20_000;

/** Repeats `Advance` until no token can move, folding as it goes. Counts the largest decision on the way. */
export const settle = (
  start: RunState,
  context: Context,
): { readonly run: RunState; readonly events: readonly RunEvent[]; readonly largestDecision: number } => {
  const events: RunEvent[] = [];
  let run = start;
  let largestDecision = 0;
  while (events.length < SETTLED_EVENTS_MAX) {
    const decision = decide(advanceFirst(run), run, context);
    if (!decision.accepted || decision.events.length === 0) return { run, events, largestDecision };
    largestDecision = Math.max(largestDecision, decision.events.length);
    events.push(...decision.events);
    run = fold(run, decision.events, toInstant(context.atMs)) ?? run;
  }
  throw new Error(`the run still moves after ${SETTLED_EVENTS_MAX} events`);
};
