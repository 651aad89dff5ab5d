import type { Instant } from './events.js';

/** Milliseconds since the epoch of an instant. A pure conversion: what time it is comes in by the commands. */
export const toMs = (instant: Instant): number => Date.parse(instant);

/** The instant of milliseconds since the epoch. */
export const toInstant = (ms: number): Instant => new Date(ms).toISOString();
