import type { Catalogue, Runs } from '#engine';
import type { EventStore, Position } from '#event-store';
import type { Clock, Config, Log } from '#runtime';
import type { ViewStore } from '#views';

/** Lists out of the views, and how to wait until they have reached a position. */
export type RunLists = Pick<ViewStore, 'listRuns' | 'listSteps'> & {
  waitFor(position: Position, timeoutMs: number): Promise<boolean>;
};

/** `degraded` still serves: something is parked or late, and the parts say what. */
export type Readiness = {
  readonly status: 'ready' | 'degraded' | 'not-ready';
  readonly parts: Readonly<
    Record<string, { readonly status: 'ready' | 'degraded' | 'not-ready'; readonly detail: string | null }>
  >;
};

export abstract class Health {
  abstract readiness(): Promise<Readiness>;
}

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
  /** How far the lists are behind the log. */
  abstract readonly lag: { readonly events: number; readonly seconds: number; readonly caughtUp: boolean };
  /** In flight, waiting for a slot, found overdue, and answers dropped as superseded. */
  abstract readonly attempts: Readonly<Record<string, number>>;
  /** Appends to the log since the start; `null` where nobody counts them. */
  abstract readonly appends: number | null;
  abstract readonly limits: Readonly<Record<string, number>>;
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
  readonly node: NodeInfo;
};
