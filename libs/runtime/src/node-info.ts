import { hostname } from 'node:os';
import { systemClock } from './clock.js';
import type { Config } from './config.js';
import { VERSION } from './version.js';

export type NodeRole = 'workflow-api' | 'dispatcher' | 'projector';

/** How far behind the log; `caughtUp` false: at least so far. */
export type NodeLag = { readonly events: number; readonly seconds: number; readonly caughtUp: boolean };

/** What is so at this moment; `null`: this process has no part for it. */
export type NodeState = {
  /** Groups of runs: how many this process owns, for how many it acts already, and of how many. */
  readonly shards: { readonly owned: number; readonly acting: number; readonly of: number };
  /** Shards taken since the start, by the reason. */
  readonly takeOvers: Readonly<Record<string, number>> | null;
  /** In flight, waiting for a slot, found overdue, and answers dropped as superseded. */
  readonly attempts: Readonly<Record<string, number>> | null;
  /** Targets that are left alone because they are down. */
  readonly breakers: readonly Readonly<Record<string, unknown>>[] | null;
  /** To the log since the start. */
  readonly appends: number | null;
  /** Of the lists; of the one that writes them. */
  readonly lag: NodeLag | null;
  /** Whether this process is the one that writes the lists, or stands by. */
  readonly leads: boolean | null;
  readonly relay: (Readonly<Record<string, unknown>> & { readonly leads: boolean; readonly lag: NodeLag }) | null;
  readonly trigger: Readonly<Record<string, unknown>> | null;
};

/** Of the release, of what it stands on, and of what it writes; `null` where there is none, or it is not known. */
export type NodeVersions = {
  readonly stepwell: string;
  readonly node: string;
  readonly eventStoreServer: string | null;
  readonly viewsSchema: number | null;
};

export type NodeDescription = NodeState & {
  readonly product: 'stepwell';
  readonly version: string;
  readonly runtime: string;
  readonly host: string;
  readonly pid: number;
  readonly roles: readonly NodeRole[];
  readonly eventStore: string;
  readonly startedAt: string;
  readonly limits: Readonly<Record<string, number>>;
  readonly versions: NodeVersions;
};

/** What `GET /v1/node` tells of this process, as of each answer. */
export abstract class NodeInfo {
  abstract toJSON(): NodeDescription;
}

export type NodeParts = {
  readonly roles: readonly NodeRole[];
  readonly versions: () => Pick<NodeVersions, 'eventStoreServer' | 'viewsSchema'>;
  readonly state: () => Pick<NodeState, 'shards'> & Partial<NodeState>;
};

/** To be made when the process starts: it tells since when it runs. */
export const nodeInfo = (
  { eventStore, limits }: Pick<Config, 'eventStore' | 'limits'>,
  { roles, versions, state }: NodeParts,
): NodeInfo => {
  const node = process.versions.node;
  const fixed = {
    product: 'stepwell',
    version: VERSION,
    runtime: `node ${node}`,
    host: hostname(),
    pid: process.pid,
    roles,
    eventStore,
    startedAt: systemClock.now(),
  } as const;
  return {
    toJSON: () => ({
      ...fixed,
      versions: { stepwell: VERSION, node, ...versions() },
      ...NO_PART,
      ...state(),
      limits,
    }),
  };
};

const NO_PART = {
  takeOvers: null,
  attempts: null,
  breakers: null,
  appends: null,
  lag: null,
  leads: null,
  relay: null,
  trigger: null,
} as const;
