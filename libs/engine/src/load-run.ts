import { evolve, type Plan, type RunState } from '#domain';
import { decodeRunEvent, type EventStore, type Position, type Revision, type StreamName } from '#event-store';

/** Where plans come from; a plan never changes. */
export interface PlanSource {
  /** The plan when it is in memory. */
  cachedPlan(hash: string): Plan | null;
  plan(hash: string): Promise<Plan>;
}

export type FoldedRun = {
  readonly state: RunState;
  readonly plan: Plan;
  readonly position: Position;
  readonly traceparent: string | null;
};

/** Read at a time, so that a very long history does not hold the process. */
const PAGE_EVENTS = 5_000;

/** Folds a run from its stream, `null` when there is none. */
export const loadRun = async (store: EventStore, plans: PlanSource, stream: StreamName): Promise<FoldedRun | null> => {
  let state: RunState | null = null;
  let position: Position | null = null;
  let traceparent: string | null = null;
  for (let from: Revision | null = null; ;) {
    const page = await store.readStream(stream, from === null ? { limit: PAGE_EVENTS } : { from, limit: PAGE_EVENTS });
    for (const event of page) {
      if (state === null) traceparent = event.traceparent;
      state = evolve(state, decodeRunEvent(event.type, event.v, event.data), event.recordedAt);
      position = event.position;
    }
    const last = page.at(-1);
    if (last === undefined || page.length < PAGE_EVENTS) break;
    from = (last.revision + 1) as Revision; // the next revision of the same stream
  }
  if (state === null || position === null) return null;
  const { plan: hash } = state.started;
  return { state, plan: plans.cachedPlan(hash) ?? (await plans.plan(hash)), position, traceparent };
};
