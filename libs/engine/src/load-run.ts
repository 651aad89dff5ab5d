import { evolve, type Plan, type RunEvent, type RunState } from '#domain';
import {
  decodeRunEvent,
  LOG_START,
  unpackForFold,
  type Commit,
  type EventStore,
  type FoldedEvent,
  type Position,
  type Revision,
  type StreamName,
} from '#event-store';

import { bytesAdded } from './run-bytes.js';

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
};

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

/** Folds an append that follows what is known; false when something is missing between them. */
export const foldCommit = (folded: FoldedRun, commit: Commit): boolean => {
  if (commit.firstRevision !== (folded.state?.revision ?? -1) + 1) return false;
  for (const event of unpackForFold(commit)) fold(folded, event);
  return true;
};

/** Folds one event, and counts what the run takes for it. */
export const foldEvent = (folded: Pick<FoldedRun, 'state' | 'bytes'>, event: RunEvent, at: string): void => {
  if (folded.state === null) folded.bytes = 0;
  const state = evolve(folded.state, event, at);
  folded.state = state;
  if (state !== null) folded.bytes += bytesAdded(state, event);
};

const fold = (folded: FoldedRun, event: FoldedEvent): void => {
  if (folded.state === null) {
    folded.traceparent = event.traceparent;
    folded.startedAt = LOG_START;
  }
  if (event.type === 'AttemptStarted') folded.startedAt = event.position;
  foldEvent(folded, decodeRunEvent(event.type, event.v, event.data), event.recordedAt);
  folded.position = event.position;
};
