import { startRunId } from '../runs/run-id.js';
import type { Operation, Parameter } from './operation.js';
import { HELD_DEFINITION } from './example-definitions.js';

const WELCOME_KEY = 'welcome-1';
const HELD_KEY = 'held-1';
const WELCOME_RUN = startRunId('start', 'default', 'welcome', WELCOME_KEY);
const HELD_RUN = startRunId('start', 'default', null, HELD_KEY);

const runId = (examples: Record<string, string> = { welcome: WELCOME_RUN }): Parameter => ({
  description: 'The id of the run, with its suffix when it has one.',
  examples,
});
const traceparent: Parameter = {
  in: 'header',
  description: 'W3C trace context. A malformed one is passed over.',
  schema: { type: 'string' },
};
const POSITION = ['Stepwell-Position'] as const;

/** The operations on runs, by method and path. */
export const RUN_OPERATIONS: Readonly<Record<string, Operation>> = {
  'post /v1/runs': {
    id: 'startRun',
    tag: 'Runs',
    summary: 'Start a run',
    description:
      'Starts a published workflow by name, or an inline definition. The Idempotency-Key names this one intent: the same key with the same body gives the same answer for as long as the run is kept (then 410 with the file it is archived in), with another body 422. The run is in the log before the answer is sent.',
    parameters: {
      'Idempotency-Key': {
        in: 'header',
        required: true,
        description: '1 to 255 visible ASCII characters, bare or in double quotes.',
        schema: { type: 'string', minLength: 1, maxLength: 255 },
        examples: { welcome: WELCOME_KEY, held: HELD_KEY },
      },
      Prefer: {
        in: 'header',
        description: '`wait=N` answers when the run has ended, after N seconds (at most 60) in any case.',
        schema: { type: 'string' },
      },
      traceparent,
    },
    body: {
      required: true,
      types: ['application/json'],
      schema: 'StartRequest',
      examples: {
        welcome: { workflow: 'welcome', input: { name: 'Ada' }, tags: { team: 'growth' } },
        held: { definition: HELD_DEFINITION, input: null },
      },
    },
    answers: {
      201: {
        description: 'Started, or started before by the same request.',
        schema: 'StartedRun',
        headers: ['Location', 'Idempotent-Replayed', ...POSITION],
      },
      200: {
        description: 'With `Prefer: wait`: the run, which has ended.',
        schema: 'Run',
        headers: ['Location', 'Preference-Applied', ...POSITION],
      },
      202: {
        description: 'With `Prefer: wait`: the run so far.',
        schema: 'Run',
        headers: ['Location', 'Preference-Applied', ...POSITION],
      },
    },
    problems: [
      'idempotency-key-missing',
      'idempotency-key-invalid',
      'idempotency-key-reused',
      'prefer-invalid',
      'invalid-definition',
      'workflow-not-found',
      'version-not-found',
      'draft-not-found',
      'workflow-archived',
      'run-archived',
      'step-unknown',
      'payload-too-large',
      'unsupported-media-type',
      'storage-unavailable',
      'storage-full',
    ],
  },
  'get /v1/runs': {
    id: 'listRuns',
    tag: 'Runs',
    summary: 'List runs',
    description:
      'From a view that follows the log within a moment. Filters are combined; `status` and `tag` may be repeated.',
    parameters: {
      'Stepwell-Min-Position': {
        in: 'header',
        description: 'A Stepwell-Position of an earlier answer: the list waits until it shows that.',
        schema: { type: 'string' },
      },
      workflow: { examples: { welcome: 'welcome' } },
      limit: {
        description: 'How many a page has.',
        schema: { type: 'integer', minimum: 1, maximum: 1000, default: 50 },
        examples: { welcome: 10 },
      },
    },
    answers: { 200: { description: 'A page of runs.', schema: 'RunList', headers: POSITION } },
    problems: ['cursor-invalid', 'view-behind'],
  },
  'get /v1/runs/{id}': {
    id: 'getRun',
    tag: 'Runs',
    summary: 'Read a run',
    description: 'Folded from its events, so always current.',
    parameters: { id: runId() },
    answers: { 200: { description: 'The run with its steps as a tree.', schema: 'Run', headers: POSITION } },
    problems: ['run-not-found', 'run-archived'],
  },
  'get /v1/runs/{id}/events': {
    id: 'listRunEvents',
    tag: 'Runs',
    summary: 'Read or follow the events of a run',
    description:
      'A page of JSON, or with `Accept: text/event-stream` a stream (the id is the revision) that follows the run and ends after its last event; resuming past it with Last-Event-ID is 204.',
    parameters: {
      id: runId(),
      from: { schema: { type: 'integer', minimum: 0 }, examples: { welcome: 0 } },
      limit: {
        description: 'How many a page has.',
        schema: { type: 'integer', minimum: 1, maximum: 1000, default: 50 },
      },
      'Last-Event-ID': {
        in: 'header',
        description: 'The last revision seen; only for a stream.',
        schema: { type: 'string' },
      },
    },
    answers: {
      200: {
        description: 'Events in order.',
        schema: 'EventList',
        headers: POSITION,
        otherTypes: { 'text/event-stream': 'Server-sent events: `id` is the revision, `data` an Event.' },
      },
      204: { description: 'The run has ended and its last event was seen; do not come back.' },
    },
    problems: ['run-not-found', 'run-archived', 'overloaded'],
  },
  'get /v1/runs/{id}/steps/{key}': {
    id: 'getStep',
    tag: 'Runs',
    summary: 'Read one step',
    parameters: { id: runId(), key: { description: 'The key of the step.', examples: { welcome: 'create-user' } } },
    answers: {
      200: { description: 'The step with its attempts, and the steps below it.', schema: 'Step', headers: POSITION },
    },
    problems: ['run-not-found', 'run-archived', 'step-not-found'],
  },
  'post /v1/runs/{id}/cancel': {
    id: 'cancelRun',
    tag: 'Runs',
    summary: 'Cancel a run',
    description:
      'Requests in flight are abandoned; they may have had their effect. Cancelling a cancelled run changes nothing.',
    parameters: { id: runId({ held: HELD_RUN }), traceparent },
    body: {
      required: false,
      types: ['application/json'],
      schema: 'CancelRequest',
      examples: { held: { reason: 'no longer needed' } },
    },
    answers: { 200: { description: 'The cancelled run.', schema: 'Run', headers: POSITION } },
    problems: [
      'run-not-found',
      'run-archived',
      'run-ended',
      'unsupported-media-type',
      'storage-unavailable',
      'storage-full',
    ],
  },
};
