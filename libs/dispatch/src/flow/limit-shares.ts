import type { LimitGate } from './gate.js';

/** What shares of limits are decided on, and who is told when one has changed. */
export interface SharedGates {
  /** Those in use here. */
  readonly limits: ReadonlyMap<string, LimitGate>;
  /** There may be room where there was none. */
  roomAt(gate: LimitGate): void;
}

/**
 * How much of each limit this process may use now: it sets `allowed`, `validUntilMs` and the rate of the gates. All the
 * dispatchers of one log together never have more than the limit in flight; what is promised when one dies is said by the
 * adapter.
 */
export interface LimitShares {
  start(gates: SharedGates): Promise<void>;
  /** A gate that is new. */
  opened(gate: LimitGate): void;
  /** Runs wait at the gate for more than the share. */
  wants(gate: LimitGate): void;
  /** Gives all shares back; nothing is in flight any more. */
  stop(): Promise<void>;
}

/** The only dispatcher of its log: all of every limit is its own. */
export const wholeLimits: LimitShares = {
  start: () => Promise.resolve(),
  opened: () => undefined,
  wants: () => undefined,
  stop: () => Promise.resolve(),
};
