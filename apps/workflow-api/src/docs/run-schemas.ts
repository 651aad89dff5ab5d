import { z } from 'zod';
import { ATTEMPT_OUTCOMES, NODE_TYPES, RUN_STATUSES, STEP_STATUSES } from '#domain';

/** The shapes of answers about runs, for the OpenAPI document and its test. Answers are not validated when they are sent. */
const Instant = z.iso.datetime().describe('ISO 8601, UTC.');
const Payload = z.unknown().describe('Any JSON.');
const Labels = z.record(z.string(), z.string());

export const CutShape = z
  .strictObject({
    'stepwell:cut': z.strictObject({
      bytes: z.int().describe('How long the payload is, as JSON in UTF-8.'),
      begins: z.string().nullable().describe('The first 16 KiB of its JSON text; null where `sameAs` says what it is.'),
      sameAs: z
        .strictObject({
          step: z.string().nullable().describe('The key of a step; null is the run itself.'),
          member: z.enum(['input', 'output', 'mapped']),
        })
        .nullable()
        .describe('Where the same payload stands in this document.'),
      whole: z.string().describe('The address where the whole payload is.'),
    }),
  })
  .meta({
    id: 'CutPayload',
    description:
      'Stands in the document of a run where a payload would: the payload is longer than 16 KiB, or one of a step that is longer than 1,024 characters and shown before. `whole` is where it can be fetched; the step alone, `GET /v1/runs/{id}/steps/{key}`, shows its payloads whole too.',
  });
const ShownPayload = z.union([CutShape, Payload]).describe('Any JSON, or a cut of it. Null with `view=slim`.');

const MappedPayload = ShownPayload.describe(
  'What flows on: the output, unless the node has an `output` of its own. Null with `view=slim`.',
);

export const ErrorShape = z
  .strictObject({ name: z.string(), cause: z.string().nullable() })
  .meta({ id: 'Error', description: 'What went wrong: a name to match on, and the reason in words.' });

const RunStatus = z.enum(RUN_STATUSES);
/** `pending` and `not-reached` are shown of nodes that the run has not entered, and never will. */
const StepStatus = z.enum(['pending', 'not-reached', ...STEP_STATUSES]);
const StepType = z.enum(NODE_TYPES);
const Version = z.union([z.int(), z.literal('draft')]).nullable();

export const AttemptShape = z
  .strictObject({
    number: z.int().describe('Counts from 1.'),
    outcome: z.enum(ATTEMPT_OUTCOMES),
    status: z.int().nullable().describe('The HTTP status of the answer.'),
    error: ErrorShape.nullable(),
    body: z.string().nullable().describe('The beginning of an answer that failed, as text: 4 KiB at most.'),
    url: z.string().nullable(),
    startedAt: Instant,
    endedAt: Instant.nullable(),
    retryAt: Instant.nullable().describe('When the next attempt is due.'),
    dispatcher: z.string(),
  })
  .meta({ id: 'Attempt', description: 'One HTTP exchange for a step.' });

export const RequestShape = z
  .strictObject({ method: z.string(), url: z.string(), headers: Labels })
  .meta({ id: 'StepRequest' });

const StepsTotal = z.int().describe('How many there are in all.');
const StepsCursor = z
  .string()
  .nullable()
  .describe(
    'The `cursor` of `GET /v1/runs/{id}/steps` for those that are not shown; null when all are, and below a node that was not reached.',
  );

export const StepShape = z
  .strictObject({
    key: z.string().describe('Names the step in its run.'),
    name: z.string(),
    type: StepType,
    status: StepStatus,
    input: ShownPayload,
    output: ShownPayload,
    mapped: MappedPayload,
    error: ErrorShape.nullable(),
    enteredAt: Instant.nullable(),
    startedAt: Instant.nullable(),
    finishedAt: Instant.nullable(),
    idempotencyKey: z
      .string()
      .nullable()
      .describe('The `Idempotency-Key` that all its attempts carry; null of a node that is no step, or not reached.'),
    request: RequestShape.nullable(),
    attempts: z.array(AttemptShape),
    get steps() {
      return z.array(StepShape).describe('The steps in it: the first 100, less where steps are long.');
    },
    stepsTotal: StepsTotal,
    stepsCursor: StepsCursor,
  })
  .meta({
    id: 'Step',
    description:
      'A node of the plan as the run has entered it; with status `pending` as it may come, with `not-reached` as it would have come.',
  });

export const WaitShape = z
  .strictObject({
    step: z.string(),
    for: z
      .enum(['retry', 'timer', 'limit', 'slots', 'breaker'])
      .describe(
        '`retry`: the time of its next attempt. `timer`: the time that a `wait` says. `limit`: one of `STEPWELL_LIMITS`. `slots`: attempts in flight of its url, of its origin, or of all. `breaker`: what it would be sent to is down and left alone.',
      ),
    on: z
      .string()
      .nullable()
      .describe(
        'Which limit, origin or url. Null for a retry and a timer, and where the attempts are made by another process: then it is only known that one is owed.',
      ),
    since: Instant,
    until: Instant.nullable().describe('Null when nobody knows; never in the past.'),
    lastError: ErrorShape.nullable().describe('Of its last attempt; of a breaker, why it is open.'),
  })
  .meta({ id: 'Wait', description: 'What a step waits for.' });

const identity = {
  id: z.string(),
  key: z.string().describe('The Idempotency-Key of the start.'),
  workflow: z.string().nullable(),
  version: Version,
  namespace: z.string(),
  queue: z.string(),
  tags: Labels,
};

export const RunShape = z
  .strictObject({
    ...identity,
    variables: z
      .union([CutShape, z.record(z.string(), z.unknown())])
      .nullable()
      .describe('An object, or a cut of it. Null with `view=slim`.'),
    correlationId: z.string().nullable(),
    requestor: z.string().nullable(),
    duplicateStarts: z
      .strictObject({
        count: z.int().describe('Answered as the first one was.'),
        refused: z.int().describe('Refused: the same key with another payload.'),
      })
      .describe('Starts whose key was known, as noted in the log: the first at once, others once a minute.'),
    status: RunStatus,
    reason: z.string().nullable().describe("Why it failed or was cancelled, in a person's words."),
    input: ShownPayload,
    output: z
      .union([CutShape, Payload])
      .describe('Any JSON, or a cut of it; whole in the answer to a start with `Prefer: wait`. Null with `view=slim`.'),
    error: ErrorShape.nullable(),
    createdAt: Instant,
    finishedAt: Instant.nullable(),
    resolved: z.boolean(),
    parent: z.null(),
    revision: z.int(),
    parked: z
      .strictObject({ since: Instant, reason: z.string() })
      .nullable()
      .describe(
        'Not null when a mistake of the server has stopped the run: nothing is done for it until the server starts again or another takes it over. Known of the process that answers.',
      ),
    waiting: z.array(WaitShape).describe('What its steps wait for: the first 100.'),
    waitingTotal: z.int().describe('How many of its steps wait.'),
    steps: z.array(StepShape).describe('The steps that are in no other: the first 100, less where steps are long.'),
    stepsTotal: StepsTotal,
    stepsCursor: StepsCursor,
  })
  .meta({ id: 'Run', description: 'A run, folded from its events: always current.' });

export const StartedShape = z
  .strictObject({
    ...identity,
    correlationId: z.string().nullable(),
    requestor: z.string().nullable(),
    createdAt: Instant,
    links: z.strictObject({ self: z.string(), events: z.string(), cancel: z.string() }),
  })
  .meta({
    id: 'StartedRun',
    description: 'The answer to a start. It never changes: a repetition gets the same bytes.',
  });

export const RunListItemShape = RunShape.omit({
  variables: true,
  duplicateStarts: true,
  input: true,
  output: true,
  parked: true,
  waiting: true,
  waitingTotal: true,
  steps: true,
  stepsTotal: true,
  stepsCursor: true,
}).meta({ id: 'RunListItem', description: 'A run in a list: without its payloads and steps.' });

export const EventShape = z
  .strictObject({
    id: z.uuid(),
    type: z.string(),
    v: z.int(),
    stream: z.string(),
    revision: z.int(),
    position: z.string().describe('Opaque.'),
    recordedAt: Instant,
    data: z.record(z.string(), z.unknown()),
    actor: z.string().nullable(),
    traceparent: z.string().nullable(),
  })
  .meta({ id: 'Event', description: 'One fact about a run, as recorded.' });

export const PayloadShape = z.unknown().meta({ id: 'Payload', description: 'Any JSON, whole.' });

const NextCursor = z.string().nullable().describe('Where the next page begins; null on the last one.');
export const RunListShape = z
  .strictObject({ items: z.array(RunListItemShape), nextCursor: NextCursor })
  .meta({ id: 'RunList' });
export const RunStepListShape = z
  .strictObject({ items: z.array(StepShape), nextCursor: NextCursor })
  .meta({ id: 'RunStepList' });
export const EventListShape = z
  .strictObject({
    items: z.array(EventShape),
    nextCursor: NextCursor.describe('The `from` of the next page; null on the last one.'),
  })
  .meta({ id: 'EventList' });
export { NextCursor };
