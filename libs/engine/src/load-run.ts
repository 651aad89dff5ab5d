import { evolve, type Plan, type RunEvent, type RunState, type Undo } from '#domain';
import {
  decodeRunEvent,
  LOG_START,
  storedEvents,
  unpackForFold,
  type Commit,
  type EventStore,
  type FoldedEvent,
  type Position,
  type Revision,
  type StreamName,
} from '#event-store';
import { bytesOf } from './run-bytes.js';
import type { Fact, LoadedRun, RunId } from './runs.js';

/** Where plans come from; a plan never changes. */
export interface PlanSource {
  /** The plan when it is in memory. */
  cachedPlan(hash: string): Plan | null;
  plan(hash: string): Promise<Plan>;
}

/** A run as far as it is known. Folding goes on in place. */
export type FoldedRun = {
  state: RunState | null;
  /** Of the last event folded, and of the last one that started an attempt. */
  position: Position;
  startedAt: Position;
  traceparent: string | null;
  /** What it takes in memory, about. */
  bytes: number;
  /** All that the log has of it, as long as somebody here waits to be shown it; `null`: it is not kept. */
  facts: Fact[] | null;
};

/** A run with its name, and with its plan once that is known. */
export type KnownRun = FoldedRun & { readonly runId: RunId; plan: Plan | null };

/** What a reader of the run gets: as live as the state, and no less. */
export const loadedOf = ({ state, plan, position, facts }: KnownRun): LoadedRun | null =>
  // The domain counts revisions as plain numbers; the store brands them.
  state === null || plan === null ? null : { run: state, plan, revision: state.revision as Revision, position, facts };

/** Folds what a run's stream holds past what is known, and gives the plan; `null` when there is no such run. */
export const loadRun = async (
  store: EventStore,
  plans: PlanSource,
  stream: StreamName,
  folded: FoldedRun,
): Promise<Plan | null> => {
  const known = folded.state;
  // The next revision of the same stream.
  const from = known === null ? undefined : { from: (known.revision + 1) as Revision };
  for await (const page of store.readPages(stream, from)) for (const event of page) fold(folded, event);
  const { state } = folded;
  if (state === null) return null;
  return plans.cachedPlan(state.started.plan) ?? plans.plan(state.started.plan);
};

/** Folds an append that follows what is known. */
export const foldCommit = (folded: FoldedRun, commit: Commit): void => {
  for (const event of unpackForFold(commit)) fold(folded, event);
};

/** So many are kept: who waits for a longer run is shown it out of the log. */
const FACTS_MAX = 1_000;

/** Adds what the log has of the run by now to what is kept, if it is. */
export const keepFacts = (folded: Pick<FoldedRun, 'facts'>, facts: readonly Fact[]): void => {
  if (folded.facts === null) return;
  if (folded.facts.length + facts.length > FACTS_MAX) folded.facts = null;
  else for (const fact of facts) folded.facts.push(fact);
};

/** The plan of the run that a commit begins, when it is in memory. */
export const firstPlanOf = (commit: Commit, plans: PlanSource): Plan | null => {
  const [first] = commit.firstRevision === 0 ? storedEvents(commit) : [];
  if (first === undefined) return null;
  const event = decodeRunEvent(first.type, first.v, first.data);
  return event.type === 'RunStarted' ? plans.cachedPlan(event.plan) : null;
};

/** Folds one event, and says what the run takes then. `undo`: where it is noted how to take it back. */
export const foldEvent = (
  folded: Pick<FoldedRun, 'state' | 'bytes'>,
  event: RunEvent,
  at: string,
  undo: Undo | null = null,
): void => {
  const state = evolve(folded.state, event, at, undo);
  folded.state = state;
  folded.bytes = state === null ? 0 : bytesOf(state);
};

/** The run's stream holds what makes no run of this version: it is the same at each read. */
export class StreamBroken extends Error {
  readonly code = 'stream-broken';
}

const fold = (folded: FoldedRun, event: FoldedEvent): void => {
  try {
    foldStored(folded, event);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new StreamBroken(`revision ${(folded.state?.revision ?? -1) + 1}, ${event.type}, cannot be read: ${why}`, {
      cause,
    });
  }
};

const foldStored = (folded: FoldedRun, event: FoldedEvent): void => {
  if (folded.state === null) {
    folded.traceparent = event.traceparent;
    folded.startedAt = LOG_START;
    if (folded.facts !== null) folded.facts = [];
  }
  if (event.type === 'AttemptStarted') folded.startedAt = event.position;
  const fact = { event: decodeRunEvent(event.type, event.v, event.data), at: event.recordedAt };
  foldEvent(folded, fact.event, fact.at);
  keepFacts(folded, [fact]);
  folded.position = event.position;
};
