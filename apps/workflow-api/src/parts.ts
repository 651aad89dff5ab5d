import type { Catalogue, Runs } from '#engine';
import type { EventStore, Position } from '#event-store';
import type { Clock, Config, Log, MetricSources, Readiness, Tracer } from '#runtime';
import type { ViewStore } from '#views';

/** Lists out of the views, and how to wait until they have reached a position. */
export type RunLists = Pick<ViewStore, 'listRuns' | 'listSteps'> & {
  waitFor(position: Position, timeoutMs: number): Promise<boolean>;
};

export abstract class Health {
  abstract readiness(): Promise<Readiness>;
}

/** Of the release, of what it stands on, and of what it writes; `null` where there is none, or it is not known. */
export type NodeVersions = {
  readonly stepwell: string;
  readonly node: string;
  readonly eventStoreServer: string | null;
  readonly viewsSchema: number | null;
};

/** What `GET /v1/node` tells of this process; members beyond these are shown too, read at each answer. */
export abstract class NodeInfo {
  abstract readonly product: 'stepwell';
  abstract readonly version: string;
  abstract readonly runtime: string;
  abstract readonly eventStore: string;
  abstract readonly startedAt: string;
  abstract readonly host: string;
  abstract readonly pid: number;
  abstract readonly roles: readonly string[];
  /** Groups of runs: how many of all this process owns. */
  abstract readonly shards: { readonly owned: number; readonly of: number };
  /** How far the lists are behind the log; `null` in a process that does not write them. */
  abstract readonly lag: { readonly events: number; readonly seconds: number; readonly caughtUp: boolean } | null;
  /** In flight, waiting for a slot, found overdue, and answers dropped as superseded; `null` where none are made. */
  abstract readonly attempts: Readonly<Record<string, number>> | null;
  /** Appends to the log since the start; `null` where nobody counts them. */
  abstract readonly appends: number | null;
  abstract readonly limits: Readonly<Record<string, number>>;
  abstract readonly versions: NodeVersions;
  readonly [more: string]: unknown;
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
