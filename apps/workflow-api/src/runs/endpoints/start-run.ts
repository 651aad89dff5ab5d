import { HELD_DEFINITION } from '../../docs/example-definitions.js';
import { RunShape, StartedShape } from '../../docs/run-schemas.js';
import type { EndpointDescription } from '../../http/endpoint.js';
import { ORIGIN } from '../../http/parameters.js';
import { StartRequest } from '../start-request.js';
import { EXAMPLE_KEYS } from './example-runs.js';

const POSITION = ['Stepwell-Position'] as const;

/** Starts a run. */
export const START_RUN: EndpointDescription = {
  method: 'post',
  path: '/v1/runs',
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
      examples: EXAMPLE_KEYS,
    },
    Prefer: {
      in: 'header',
      description:
        '`wait=N` answers when the run has ended, after N seconds in any case. More than 60 are taken as 60: Preference-Applied says what was granted. Other preferences are passed over.',
      schema: { type: 'string' },
    },
    ...ORIGIN,
  },
  body: {
    required: true,
    types: ['application/json'],
    schema: StartRequest,
    examples: {
      // First: there is time to cancel it, also where nothing was published.
      held: { definition: HELD_DEFINITION, input: null },
      welcome: { workflow: 'welcome', input: { name: 'Ada' }, tags: { team: 'growth' } },
    },
  },
  status: 201,
  answers: {
    201: {
      description: 'Started, or started before by the same request.',
      schema: StartedShape,
      headers: ['Location', 'Idempotent-Replayed', ...POSITION],
    },
    200: {
      description:
        'With `Prefer: wait`: the run, which has ended, as `GET /v1/runs/{id}` shows it, but its output whole, however long.',
      schema: RunShape,
      headers: ['Location', 'Idempotent-Replayed', 'Preference-Applied', ...POSITION],
    },
    202: {
      description: 'With `Prefer: wait`: the run so far.',
      schema: RunShape,
      example: 'RunningRun',
      headers: ['Location', 'Idempotent-Replayed', 'Preference-Applied', ...POSITION],
    },
  },
  problems: [
    'idempotency-key-missing',
    'idempotency-key-invalid',
    'idempotency-key-reused',
    'invalid-definition',
    'workflow-not-found',
    'version-not-found',
    'draft-not-found',
    'workflow-archived',
    'run-archived',
    'run-parked',
    'step-unknown',
    'payload-too-large',
    'unsupported-media-type',
    'storage-unavailable',
    'storage-full',
    'stopping',
  ],
};
