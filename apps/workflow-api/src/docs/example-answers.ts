import { PROBLEMS } from '../http/problems.js';
import { EXAMPLE_KEYS, HELD_RUN, WELCOME_RUN } from '../runs/endpoints/example-runs.js';
import { HELD_DEFINITION, WELCOME_DEFINITION } from './example-definitions.js';

/**
 * One answer for each schema of answers, under the name of the schema, and a few of states that one answer cannot show: what a
 * fresh server says to the examples of requests. A test asks one for them.
 */
const STARTED_AT = '2026-11-30T09:00:00.000Z';
const TOLD_AT = '2026-11-30T09:00:00.120Z';
const FINISHED_AT = '2026-11-30T09:00:00.310Z';
const INPUT = { name: 'Ada' };
const TAGS = { team: 'growth' };
const SAMPLE = 'http://127.0.0.1:4000';
export const EXAMPLE_OUTPUTS = {
  'create-user': { userId: 'user-1' },
  'tell.send-email': { sent: true },
  'tell.send-analytics': { recorded: true },
};
const TOLD = [EXAMPLE_OUTPUTS['tell.send-email'], EXAMPLE_OUTPUTS['tell.send-analytics']];

const stored = {
  name: 'welcome',
  version: 1,
  hash: 'ce7fa74291dc4154175b45c2c247d9e04aeb0c31eab20507992aee451a82911f',
  plan: '892502c4c55d437956fa8413a280e6303f580244072787dd2a4d8b1f55673004',
  format: 'json',
  description: WELCOME_DEFINITION.description,
  tags: TAGS,
  createdAt: '2026-11-30T08:00:00.000Z',
};
const document = { definition: WELCOME_DEFINITION, source: null };
const listedWorkflow = {
  name: stored.name,
  latestVersion: stored.version,
  description: stored.description,
  tags: TAGS,
  createdAt: stored.createdAt,
  updatedAt: stored.createdAt,
  archivedAt: null,
  draftSavedAt: null,
};
const draft = { ...stored, version: 'draft' };

const identity = {
  id: WELCOME_RUN,
  key: EXAMPLE_KEYS.welcome,
  workflow: 'welcome',
  version: 1,
  namespace: 'default',
  queue: 'default',
  tags: TAGS,
};
const nobody = { correlationId: null, requestor: null };

const listedRun = {
  ...identity,
  ...nobody,
  status: 'completed',
  reason: null,
  error: null,
  createdAt: STARTED_AT,
  finishedAt: FINISHED_AT,
  resolved: true,
  parent: null,
  revision: 15,
};

type Sent = { readonly key: string; readonly at: string; readonly until: string; readonly idempotencyKey: string };
const requestTo = (url: string) => ({ method: 'POST', url, headers: { 'content-type': 'application/json' } });

const stepsOf = (steps: readonly object[]) => ({ steps, stepsTotal: steps.length, stepsCursor: null });

/** A step whose first attempt has succeeded. */
const completedStep = ({ key, at, until, idempotencyKey }: Sent, input: unknown, output: unknown) => {
  const name = key.slice(key.indexOf('.') + 1);
  const url = `${SAMPLE}/steps/${name}`;
  const attempt = { number: 1, outcome: 'succeeded', status: 200, error: null, body: null, url };
  return {
    ...{ key, name, type: 'step', status: 'completed', input, output, mapped: output, error: null },
    ...{ enteredAt: at, startedAt: at, finishedAt: until, idempotencyKey, request: requestTo(url) },
    attempts: [{ ...attempt, startedAt: at, endedAt: until, retryAt: null, dispatcher: 'd1' }],
    ...stepsOf([]),
  };
};

const createUser = completedStep(
  {
    key: 'create-user',
    at: STARTED_AT,
    until: TOLD_AT,
    idempotencyKey: 'ftmtszrhnag6zhe67jskcwrpmapdwffiarf5sduz3p4migtfqitq',
  },
  INPUT,
  EXAMPLE_OUTPUTS['create-user'],
);
const told = (key: keyof typeof EXAMPLE_OUTPUTS, idempotencyKey: string) =>
  completedStep({ key, at: TOLD_AT, until: FINISHED_AT, idempotencyKey }, createUser.output, EXAMPLE_OUTPUTS[key]);
const tell = {
  ...{ key: 'tell', name: 'tell', type: 'parallel', status: 'completed', input: createUser.output, output: TOLD },
  ...{ mapped: TOLD, error: null, enteredAt: TOLD_AT, startedAt: TOLD_AT, finishedAt: FINISHED_AT },
  ...{ idempotencyKey: null, request: null, attempts: [] },
  ...stepsOf([
    told('tell.send-email', 'rycxz4net576z64xbpjwgqzkaaxmjlmenhkpyijkwidarjrw4rsq'),
    told('tell.send-analytics', '2htenp7wlvpcld5chg4rk5ob7zdkegnwfvfarh375nvntbfy25bq'),
  ]),
};

const run = {
  ...listedRun,
  variables: {},
  duplicateStarts: { count: 0, refused: 0 },
  input: INPUT,
  output: TOLD,
  parked: null,
  waiting: [],
  waitingTotal: 0,
  ...stepsOf([createUser, tell]),
};

/** The run of the other definition, in both of its states. */
const heldRun = (end: { readonly reason: string; readonly at: string } | null) => {
  const status = end === null ? 'running' : 'cancelled';
  const error = end === null ? null : { name: 'Stepwell.Abandoned', cause: end.reason };
  const finishedAt = end?.at ?? null;
  const { name, url } = HELD_DEFINITION.root;
  const attempt = {
    number: 1,
    outcome: end === null ? 'running' : 'may-have-executed',
    status: null,
    error,
    body: null,
  };
  const step = {
    ...{ key: name, name, type: 'step', status, input: null, output: null, mapped: null, error },
    ...{ enteredAt: STARTED_AT, startedAt: STARTED_AT, finishedAt },
    idempotencyKey: 'ruie74ih3hzc5arpzt7xrgxxfscmmu3ggwbkvgqh7m5a72iwlmnq',
    request: requestTo(url),
    attempts: [{ ...attempt, url, startedAt: STARTED_AT, endedAt: finishedAt, retryAt: null, dispatcher: 'd1' }],
    ...stepsOf([]),
  };
  return {
    ...run,
    ...{ id: HELD_RUN, key: EXAMPLE_KEYS.held, workflow: null, version: null, tags: {} },
    ...{ status, reason: end?.reason ?? null, input: null, output: null, finishedAt, resolved: end !== null },
    ...{ revision: end === null ? 2 : 4, ...stepsOf([step]) },
  };
};

const ofRun = { v: 1, stream: `run-f9-${WELCOME_RUN}`, recordedAt: STARTED_AT, actor: null, traceparent: null };
const events = [
  {
    ...{ id: 'cce019b6-c68c-5181-a009-b45a02671806', type: 'RunStarted', revision: 0, position: '1792', ...ofRun },
    data: {
      ...identity,
      ...nobody,
      plan: stored.plan,
      fingerprint: '691bf9d8ba425ba216af3d4355fd1bf540bec1cb23d30dd6e266a72da2358f94',
      fromStep: null,
      timeoutAt: null,
      variables: {},
      input: INPUT,
    },
  },
  {
    ...{ id: '2e7f8363-d3bb-58a7-9a74-cac619a26549', type: 'StepEntered', revision: 1, position: '1793', ...ofRun },
    data: {
      ...{
        step: 'create-user',
        node: 0,
        name: 'create-user',
        kind: 'step',
        parent: null,
        slot: null,
        slots: null,
      },
      request: {
        ...{ method: 'POST', url: createUser.request.url },
        ...{ headers: {}, contentType: 'application/json' },
      },
      deadlineAt: null,
      retriesEndAt: null,
      inputRef: { revision: 0, pointer: '/input' },
    },
  },
];

const troubledStep = {
  ...{ run: WELCOME_RUN, workflow: 'welcome', version: 1, namespace: 'default', queue: 'default' },
  ...{ key: 'create-user', name: 'create-user', type: 'step', status: 'waiting-retry', target: SAMPLE, attempts: 1 },
  error: { name: 'Stepwell.ConnectFailed', cause: 'connect ECONNREFUSED 127.0.0.1:4000' },
  ...{ enteredAt: STARTED_AT, startedAt: STARTED_AT, finishedAt: null, retryAt: '2026-11-30T09:00:01.000Z' },
};

const [status, title, help] = PROBLEMS['run-ended'];
const runEnded = { type: '/problems/run-ended', code: 'run-ended', status, title, help };

const node = {
  ...{ product: 'stepwell', version: '0.1.0', runtime: 'node 24.21.0', host: 'stepwell-1', pid: 4242 },
  ...{ roles: ['workflow-api'], eventStore: 'sqlite', startedAt: '2026-11-30T08:00:00.000Z' },
  versions: { stepwell: '0.1.0', node: '24.21.0', eventStoreServer: null, viewsSchema: null },
  ...{ takeOvers: null, attempts: null, breakers: null, appends: null },
  ...{ lag: null, leads: null, relay: null, trigger: null },
  shards: { owned: 0, acting: 0, of: 64 },
  limits: {
    ...{
      payloadMaxBytes: 262_144,
      payloadsMaxBytes: 67_108_864,
      definitionMaxBytes: 524_288,
      planNodesMax: 10_000,
      nestingMax: 32,
    },
    ...{ branchesMax: 1_000, eventsMax: 500_000, stepsMax: 100_000, attemptsMax: 1_000 },
    ...{ itemsMax: 10_000, waitMaxMs: 31_622_400_000, tagsMax: 50 },
  },
};

const page = (item: unknown) => ({ items: [item], nextCursor: null });
const runLink = `/v1/runs/${WELCOME_RUN}`;

export const EXAMPLE_ANSWERS: Readonly<Record<string, unknown>> = {
  Archived: { name: 'welcome', archivedAt: '2026-11-30T10:00:00.000Z' },
  CancelledRun: heldRun({ reason: 'no longer needed', at: FINISHED_AT }),
  DefinitionSchema: { $schema: 'https://json-schema.org/draft/2020-12/schema', $ref: '#/$defs/Definition', $defs: {} },
  Draft: { ...draft, ...document },
  EventSchema: {
    ...{ $schema: 'https://json-schema.org/draft/2020-12/schema', title: 'RunCancelled' },
    ...{ description: 'Somebody has ended the run.', type: 'object', additionalProperties: false },
    properties: { reason: { description: 'What they gave.', type: ['string', 'null'] } },
    required: ['reason'],
  },
  EventList: { items: events, nextCursor: '2' },
  Liveness: { status: 'alive' },
  Node: node,
  OpenApi: { openapi: '3.1.0', info: { title: 'Stepwell', version: '1' }, paths: {} },
  Payload: INPUT,
  ProblemHelp: runEnded,
  ProblemList: page(runEnded),
  PublishedVersion: { ...stored, findings: [] },
  Readiness: { status: 'ready', parts: { process: { status: 'ready', detail: null } } },
  Run: run,
  RunList: page(listedRun),
  RunStepList: { items: tell.steps, nextCursor: null },
  RunningRun: heldRun(null),
  SavedDraft: { ...draft, findings: [] },
  StartedRun: {
    ...{ ...identity, ...nobody, createdAt: STARTED_AT },
    links: { self: runLink, events: `${runLink}/events`, cancel: `${runLink}/cancel` },
  },
  Step: createUser,
  StepList: page(troubledStep),
  Validation: { valid: true, findings: [] },
  Version: { ...stored, ...document },
  VersionList: page(stored),
  Workflow: { ...listedWorkflow, ...document },
  WorkflowList: page(listedWorkflow),
};
