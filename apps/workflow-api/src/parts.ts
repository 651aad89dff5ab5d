import type { Catalogue, Runs } from '#engine';
import type { EventStore, Position } from '#event-store';
import type { Clock, Config, Log, MetricSources, NodeInfo, Readiness, Tracer } from '#runtime';
import type { ViewStore } from '#views';

/** Lists out of the views, and how to wait until they have reached a position. */
export type RunLists = Pick<ViewStore, 'listRuns' | 'listSteps'> & {
  waitFor(position: Position, timeoutMs: number): Promise<boolean>;
};

export abstract class Health {
  abstract readiness(): Promise<Readiness>;
}

/** All that the HTTP edge leans on; the main of an app makes them and hands them in. */
export type WorkflowApiParts = {
  readonly runs: Runs;
  readonly catalogue: Catalogue;
  readonly lists: RunLists;
  readonly store: EventStore;
  readonly clock: Clock;
  readonly log: Log;
  readonly config: Pick<Config, 'limits' | 'views' | 'eventStore'>;
  readonly health: Health;
  /** Of all parts of the process; those of HTTP are added here. */
  readonly metrics: MetricSources;
  /** `null`: requests are not traced. */
  readonly tracer: Tracer | null;
  readonly node: NodeInfo;
};
