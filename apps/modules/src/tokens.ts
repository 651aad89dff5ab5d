import type { NodeRole } from '#runtime';

/** Names under which Nest gives what has no class. */
export const CONFIG = Symbol('config');
export const TRACER = Symbol('tracer');
export const PROCESS = Symbol('process');

/** Which process this is. */
export type ProcessDescription = {
  readonly name: 'standalone' | NodeRole;
  readonly roles: readonly NodeRole[];
  /** It has the log, its runs and the views to itself; else it is one of several on the same stores. */
  readonly alone: boolean;
};
