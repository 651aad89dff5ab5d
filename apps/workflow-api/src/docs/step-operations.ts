import type { Operation } from './operation.js';

/** The operations on steps across runs, by method and path. */
export const STEP_OPERATIONS: Readonly<Record<string, Operation>> = {
  'get /v1/steps': {
    id: 'listSteps',
    tag: 'Runs',
    summary: 'List steps across runs',
    description:
      'From a view that follows the log within a moment; what waits, runs or has failed, by target and workflow, is one search. Completed steps are looked up in the runs that may have them, a bounded number for a page: a page may then hold fewer steps than `limit`, or none, and still have a `nextCursor`. Without `status` steps of every status are listed, completed ones too.',
    parameters: {
      'Stepwell-Min-Position': {
        in: 'header',
        description: 'A Stepwell-Position of an earlier answer: the list waits until it shows that.',
        schema: { type: 'string' },
      },
      status: { examples: { troubled: 'waiting-retry' } },
      workflow: { examples: { welcome: 'welcome' } },
      target: { schema: { type: 'string', format: 'uri' }, examples: { troubled: 'http://127.0.0.1:4000' } },
      limit: {
        description: 'How many a page has at most.',
        schema: { type: 'integer', minimum: 1, maximum: 1000, default: 50 },
        examples: { welcome: 10 },
      },
    },
    answers: { 200: { description: 'A page of steps.', schema: 'StepList', headers: ['Stepwell-Position'] } },
    problems: ['cursor-invalid', 'view-behind', 'storage-unavailable'],
  },
};
