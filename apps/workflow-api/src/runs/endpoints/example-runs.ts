import type { Parameter } from '../../http/endpoint.js';
import { startRunId } from '../run-id.js';

/** Keys and ids of the runs that the examples start, under the names of the examples. */
export const EXAMPLE_KEYS = { held: 'held-1', welcome: 'welcome-1' } as const;
export const WELCOME_RUN = startRunId('start', 'default', 'welcome', EXAMPLE_KEYS.welcome);
export const HELD_RUN = startRunId('start', 'default', null, EXAMPLE_KEYS.held);

/** The id of a run in a path. */
export const runIdParameter = (
  examples: Readonly<Record<string, string>> = { held: HELD_RUN, welcome: WELCOME_RUN },
): Parameter => ({
  description: 'The id of the run, with its suffix when it has one.',
  examples,
});
