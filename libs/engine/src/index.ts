export * from './runs.js';
export type { Committed, Owner, StartedAttempt } from './owner.js';
export type { CommandResult } from './mailbox.js';
export type { PlanSource } from './load-run.js';
export { RunEngine, type EngineOptions } from './run-engine.js';
