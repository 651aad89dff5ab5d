import { END_STATUSES, FAILURE_CLASSES, NODE_TYPES, type RunEvent } from '#domain';
import { RUN_EVENT_TYPES } from './run-event-codec.js';

/** JSON Schema, of what an event's data is. */
export type EventSchema = Readonly<Record<string, unknown>> & {
  readonly title: string;
  readonly description: string;
  readonly properties: Readonly<Record<string, MemberSchema>>;
  readonly required: readonly string[];
  /** Where one of several members stands there, each way. */
  readonly oneOf?: readonly { readonly required: readonly string[] }[];
};
type MemberSchema = Readonly<Record<string, unknown>> & { readonly description: string };
type Member = (description: string) => MemberSchema;

const of =
  (schema: Readonly<Record<string, unknown>>): Member =>
  (description) => ({ description, ...schema });

const text = of({ type: 'string' });
const textOrNull = of({ type: ['string', 'null'] });
const count = of({ type: 'integer', minimum: 0 });
const countOrNull = of({ type: ['integer', 'null'], minimum: 0 });
const yesNo = of({ type: 'boolean' });
const INSTANT = { type: 'string', format: 'date-time' };
const instant = of(INSTANT);
const instantOrNull = of({ type: ['string', 'null'], format: 'date-time' });
/** What the caller, the application or the definition gave, as it was given. */
const payload: Member = (description) => ({ description });

const objectOf = (properties: Readonly<Record<string, object>>): Readonly<Record<string, unknown>> => ({
  type: 'object',
  properties,
  required: Object.keys(properties),
  additionalProperties: false,
});
const listOf = (items: object) => of({ type: 'array', items });
const texts = of({ type: 'object', additionalProperties: { type: 'string' } });

const REF = objectOf({
  revision: count('Of an event before this one, in the same stream.'),
  pointer: of({ type: 'string', format: 'json-pointer' })('Into the data of that event.'),
});
const ref = of(REF);

const REQUEST = objectOf({
  method: text('Of HTTP.'),
  url: text('Whole.'),
  headers: texts('Those of the definition.'),
  contentType: text('Of the body.'),
});

const step = text('The step, by its key in the run: `ship`, `notify.email`.');
const attempt = of({ type: 'integer', minimum: 1 })('Counts from 1.');
const error = of(objectOf({ name: text('To match on.'), cause: textOrNull('The reason, for people.') }));
const version = of({ oneOf: [{ type: 'integer', minimum: 1 }, { const: 'draft' }, { type: 'null' }] });
const kind = of({ enum: NODE_TYPES })('Of the node.');
const place = {
  step,
  node: count('Number of the node in the plan.'),
  name: text('As the definition names it.'),
  kind,
  parent: textOrNull('The step of the container; `null` at the root.'),
  slot: countOrNull('Which slot of its container it sits in; `null` at the root.'),
};
const START = {
  id: text('Of the run, as people see it.'),
  key: text('The `Idempotency-Key` of the start.'),
  workflow: textOrNull('`null`: the definition came with the start.'),
  version: version('Of the workflow; `null` with a definition of its own.'),
  plan: text('Hash of the plan, which is the stream `plan-<hash>`.'),
  namespace: text('Of the run.'),
};
const fingerprint = text('Hash of what was asked for: the same key with another one is refused.');

type Shape = {
  readonly says: string;
  readonly members: Readonly<Record<string, MemberSchema>>;
  /** What few events of the type have. */
  readonly rare?: Readonly<Record<string, MemberSchema>>;
  /** One of these stands there as well. */
  readonly oneOf?: Readonly<Record<string, MemberSchema>>;
};

/** What each type of event is, in words and member by member. The stored forms are in `run-event-codec.ts`; specs hold the two together. */
const SHAPES: Readonly<Record<RunEvent['type'], Shape>> = {
  RunStarted: {
    says: 'A run was asked for, and is there.',
    members: {
      ...START,
      queue: text('Of the run.'),
      tags: texts('Labels to find it by.'),
      correlationId: textOrNull('What the caller gave.'),
      requestor: textOrNull('What the caller gave.'),
      fingerprint,
      fromStep: textOrNull('Begins there instead of at the first step.'),
      timeoutAt: instantOrNull('The run ends then at the latest.'),
      variables: payload('Of the run.'),
      input: payload('Of the run.'),
    },
  },
  RunCompleted: {
    says: 'The run has ended well.',
    members: { outputRef: ref('Where what its last step gave stands.') },
    rare: { mapped: payload('The output of the run, as the definition says.') },
  },
  RunFailed: {
    says: 'The run has failed.',
    members: { step: text('The step that made it fail.'), error: error('Of that step.') },
  },
  RunCancelled: { says: 'Somebody has ended the run.', members: { reason: textOrNull('What they gave.') } },
  RunTimedOut: { says: 'The time limit of the run has passed.', members: { error: error('Its name and cause.') } },
  DuplicateStartsSeen: {
    says: 'Starts with the key of this run came again; noted once a minute at most.',
    members: { count: count('Answered with this run.'), refused: count('Refused: they asked for something else.') },
  },
  DuesMoved: {
    says: 'The clock was set back: what was due by the clock of before is due by that of now.',
    members: {
      retries: listOf(objectOf({ step, retryAt: instant('When its next attempt is due.') }))('Attempts that are due.'),
      deadlines: listOf(objectOf({ step, deadlineAt: instant('No attempt outlives it.') }))('Limits of steps.'),
      timeoutAt: instantOrNull('Of the run, if it has moved.'),
    },
    rare: {
      waits: listOf(objectOf({ step, wakeAt: instant('When it goes on.') }))('Of steps that wait.'),
    },
  },
  StepEntered: {
    says: 'A step has begun: it is owed an attempt, or has steps of its own.',
    members: {
      ...place,
      slots: of({
        oneOf: [
          objectOf({ count: count('How many there are.'), window: count('How many are open at one time.') }),
          { type: 'null' },
        ],
      })('Of a container of several; else `null`.'),
      request: of({ oneOf: [REQUEST, { type: 'null' }] })('What is sent; `null` for what sends nothing.'),
      deadlineAt: instantOrNull('No attempt outlives it.'),
      retriesEndAt: instantOrNull('From then on no further attempt starts; the first may wait for its slot.'),
    },
    rare: {
      computes: of({ const: true })('It has values of its own to compute before it begins: `ValuesComputed` follows.'),
      policy: count('Number of the policy in the plan by which it is tried, of a step without a node of its own.'),
    },
    oneOf: { input: payload('What the definition says it is given.'), inputRef: ref('Where the input stands.') },
  },
  ValuesComputed: {
    says: 'A step has computed what it needs of its own, and begins.',
    members: { step },
    rare: {
      request: of(REQUEST)('What is sent.'),
      slots: of(
        objectOf({
          from: count('The first of them.'),
          count: count('How many there are.'),
          window: count('How many are open at one time.'),
        }),
      )('Of a container.'),
      wait: of(
        objectOf({
          wakeAt: instant('When it goes on.'),
          ms: countOrNull('For so long; `null`: until that instant by name.'),
        }),
      )('Of a wait.'),
      items: payload('Of a map: an array with what each item is given.'),
      itemsRef: ref('Where that array stands.'),
    },
  },
  SlotOpened: {
    says: 'A further round of a repeat begins.',
    members: { step, slot: count('Counts from 0.') },
  },
  WaitEnded: { says: 'A step has waited long enough, and goes on.', members: { step } },
  StepCompleted: {
    says: 'A step has ended well.',
    members: { step, endsSlot: yesNo('The way through its slot of the container has ended with it.') },
    rare: {
      edge: of(
        objectOf({
          index: count('Its place among the ways out of the node, from 0.'),
          next: countOrNull('Number of the node that it leads to; `null`: the end of the slot.'),
        }),
      )('The way that was taken, of a node that has several.'),
      mapped: payload('What flows on instead of the output, as the node says.'),
      as: text('The name under which what flows on is kept for what follows.'),
    },
    oneOf: {
      output: payload('Of the step, where it stands nowhere else.'),
      outputRef: ref('Where the output stands.'),
      outputRefs: listOf({ oneOf: [REF, { type: 'null' }] })(
        'Of a container: its output is the list of these, in order.',
      ),
    },
  },
  StepFailed: {
    says: 'A step has failed for good.',
    members: {
      step,
      error: error('Of its last attempt, or of a step inside.'),
      endsSlot: yesNo('Its container goes on.'),
    },
  },
  StepCancelled: {
    says: 'Every step that was open below a container, or in the run, was ended by something else.',
    members: {
      below: textOrNull('The container, which ends by an event of its own; `null`: the run.'),
      reason: text('What has ended them.'),
      attempts: listOf(
        objectOf({ step, attempt, class: of({ enum: FAILURE_CLASSES })('Whether the application may have done it.') }),
      )('Those that were in flight. The list is bounded: one that is not in it may have executed.'),
    },
  },
  StepSkipped: { says: 'A step beside the way to `fromStep` was passed over.', members: place },
  AttemptStarted: {
    says: 'A dispatcher is about to send the request of a step.',
    members: { step, attempt, dispatcher: text('Its name.'), boot: text('Of its process, fresh at each start.') },
  },
  AttemptSucceeded: {
    says: 'The application has answered, and it counts as done.',
    members: {
      step,
      attempt,
      status: count('Of HTTP.'),
      output: payload('The body of the answer: what is no JSON as text, none as `null`.'),
    },
  },
  AttemptFailed: {
    says: 'An attempt has failed, or its answer was not a good one.',
    members: {
      step,
      attempt,
      class: of({ enum: FAILURE_CLASSES })('Whether the application may have done it.'),
      status: countOrNull('Of HTTP; `null`: none came.'),
      error: error('What went wrong.'),
      body: textOrNull('The beginning of the answer.'),
      retryAt: instantOrNull('When the next attempt is due; `null`: none follows.'),
      interrupted: yesNo('By a stop of ours: it does not count against the retries.'),
    },
  },
  AttemptOutcomeUnknown: {
    says: 'The dispatcher that made the attempt is gone, and nobody knows what became of it. It is made again.',
    members: { step, attempt },
  },
  RunArchived: {
    says: 'The run was archived: this is all that is left of it here.',
    members: {
      ...START,
      fingerprint,
      status: of({ enum: END_STATUSES })('How it has ended.'),
      startedAt: instant('When it was started.'),
      finishedAt: instant('When it has ended.'),
      events: count('How many it had.'),
      file: text('Where they are, in the folder of archives.'),
    },
  },
  Foreign: {
    says: 'Not in the log by this name: what somebody else has put into the stream. It means nothing, and the run goes on.',
    members: {
      eventType: text('The type that it has in the log.'),
      bytes: count('Of its data.'),
      content: payload('Its data, if they are JSON and not larger than 64 KiB; else `null`.'),
    },
  },
};

const schemaOf = (type: RunEvent['type']): EventSchema => {
  const { says, members, rare = {}, oneOf = {} } = SHAPES[type];
  const ways = Object.keys(oneOf).map((name) => ({ required: [name] }));
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: type,
    description: says,
    ...objectOf(members),
    required: Object.keys(members),
    properties: { ...members, ...rare, ...oneOf },
    ...(ways.length > 0 && { oneOf: ways }),
  };
};

/** The JSON Schema of the data of each type of event of a run, in the order of the codec's table. */
export const RUN_EVENT_SCHEMAS: ReadonlyMap<string, EventSchema> = new Map(
  // The keys of a literal are its names.
  RUN_EVENT_TYPES.map((type) => [type, schemaOf(type as RunEvent['type'])]),
);
