export type * from './plan.js';
export type * from './payload.js';
export { NULL_TEXT } from './payload.js';
export type * from './events.js';
export type * from './commands.js';
export type * from './run.js';
export { isEnded, isStepEnded } from './run.js';
export { obligations, type Obligations } from './obligations.js';
export { DEFAULT_RETRY, type RetryPolicy } from './retry-policy.js';
