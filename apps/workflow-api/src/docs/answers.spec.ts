import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { startTestApi, type TestApi } from '../../testing/test-api.js';
import { CANCEL_RUN } from '../runs/endpoints/cancel-run.js';
import { EXAMPLE_KEYS, HELD_RUN, WELCOME_RUN } from '../runs/endpoints/example-runs.js';
import { START_RUN } from '../runs/endpoints/start-run.js';
import { describeApi } from '../workflow-api.module.js';
import { EXAMPLE_ANSWERS, EXAMPLE_OUTPUTS } from './example-answers.js';
import { WELCOME_DEFINITION } from './example-definitions.js';
import type { OpenApiDocument } from './openapi-document.js';

let document: OpenApiDocument;
beforeAll(async () => {
  document = await describeApi();
});

/** Every answer of every endpoint that has a body of JSON. */
const answersOf = ({ paths }: OpenApiDocument) =>
  Object.entries(paths).flatMap(([path, item]) =>
    Object.entries<any>(item).flatMap(([method, { responses }]) =>
      Object.entries<any>(responses).flatMap(([status, { description, content = {} }]) =>
        ['application/json', 'application/problem+json']
          .filter((type) => type in content)
          .map((type) => ({ answer: `${method} ${path} ${status}`, type, description, ...content[type] })),
      ),
    ),
  );

describe('the examples of answers', () => {
  it('are one for each answer, and one for each code of a problem', () => {
    for (const { answer, type, description, examples = {} } of answersOf(document)) {
      const names = Object.keys(examples);
      if (type === 'application/json') expect([answer, names.length]).toEqual([answer, 1]);
      else expect([answer, names.map((code) => `\`${code}\``).join(', ')]).toEqual([answer, description]);
    }
  });

  it('fit the schema of each answer that they stand at', () => {
    const ajv = new Ajv2020({ strict: false, validateFormats: false });
    ajv.addSchema({ $id: 'openapi', components: document.components });
    let count = 0;
    for (const { answer, schema, examples = {} } of answersOf(document)) {
      const validate = ajv.compile({ $ref: `openapi${schema.$ref}` });
      for (const [name, { $ref }] of Object.entries<any>(examples)) {
        expect($ref).toBe(`#/components/examples/${name}`);
        const { value } = (document.components.examples[name] ?? {}) as any;
        expect([answer, name, validate(value), validate.errors]).toEqual([answer, name, true, null]);
        if (schema.$ref.endsWith('/Problem')) expect([value.code, value.status]).toEqual([name, statusOf(answer)]);
        count++;
      }
    }
    expect(count).toBeGreaterThan(150);
  });

  it('are each of use', () => {
    const used = new Set(answersOf(document).flatMap(({ examples = {} }) => Object.keys(examples)));
    expect(Object.keys(document.components.examples).filter((name) => !used.has(name))).toEqual([]);
  });
});

const statusOf = (answer: string): number => Number(answer.slice(answer.lastIndexOf(' ') + 1));

describe('a server', () => {
  let api: TestApi;
  beforeAll(async () => {
    api = await startTestApi();
    api.owner.held.add('unheard');
    for (const [key, output] of Object.entries(EXAMPLE_OUTPUTS)) api.owner.outputs.set(key, JSON.stringify(output));
  });
  afterAll(() => api.stop());

  it('answers the requests of the examples as the examples of answers show', async () => {
    const held = start('held');
    const welcome = start('welcome');
    const asked: readonly [example: string, request: string, body?: unknown, headers?: Record<string, string>][] = [
      ['Validation', 'POST /v1/workflows/validate', WELCOME_DEFINITION],
      ['PublishedVersion', 'PUT /v1/workflows/welcome', WELCOME_DEFINITION],
      ['Workflow', 'GET /v1/workflows/welcome'],
      ['WorkflowList', 'GET /v1/workflows'],
      ['Version', 'GET /v1/workflows/welcome/versions/2'],
      ['VersionList', 'GET /v1/workflows/welcome/versions'],
      ['SavedDraft', 'PUT /v1/workflows/welcome/draft', WELCOME_DEFINITION],
      ['Draft', 'GET /v1/workflows/welcome/draft'],
      ['Run', 'POST /v1/runs', welcome.body, { ...welcome.headers, prefer: 'wait=30' }],
      ['StartedRun', 'POST /v1/runs', welcome.body, welcome.headers],
      ['Step', `GET /v1/runs/${WELCOME_RUN}/steps/create-user`],
      ['RunStepList', `GET /v1/runs/${WELCOME_RUN}/steps?below=tell`],
      ['Payload', `GET /v1/runs/${WELCOME_RUN}/payloads/0?pointer=/input`],
      ['EventList', `GET /v1/runs/${WELCOME_RUN}/events?limit=2`],
      ['RunningRun', 'POST /v1/runs', held.body, { ...held.headers, prefer: 'wait=0' }],
      ['CancelledRun', `POST /v1/runs/${HELD_RUN}/cancel`, CANCEL_RUN.body!.examples['held']],
      ['Node', 'GET /v1/node'],
      ['Liveness', 'GET /livez'],
      ['Readiness', 'GET /readyz'],
      ['ProblemHelp', 'GET /problems/run-ended'],
      ['Archived', 'DELETE /v1/workflows/welcome'],
    ];
    for (const [example, request, body, headers] of asked) {
      const answer = asShown(await ask(request, body, headers));
      // The server of the test has had another version before: the newest stands first.
      if (example === 'VersionList') answer.items.length = 1;
      expect([example, answer]).toEqual([example, asShown(EXAMPLE_ANSWERS[example])]);
    }
  });

  const ask = async (request: string, body?: unknown, headers: Record<string, string> = {}): Promise<unknown> => {
    const [method, path] = request.split(' ');
    const response = await fetch(`${api.url}${path}`, {
      method: method!,
      headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    return response.json();
  };
});

const start = (name: keyof typeof EXAMPLE_KEYS) => ({
  body: START_RUN.body!.examples[name],
  headers: { 'idempotency-key': EXAMPLE_KEYS[name] },
});

/** Differs from server to server; of these the kind of the value is compared, of all else the value. */
const OF_A_SERVER = new Set(['version', 'latestVersion', 'position', 'host', 'pid', 'runtime', 'node', 'stepwell']);
const INSTANT = /^\d{4}-\d\d-\d\dT[\d:.]+Z$/;
const UUID = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/;
const asShown = (answer: unknown): any =>
  JSON.parse(JSON.stringify(answer), (name, value) => {
    if (OF_A_SERVER.has(name) && value !== null) return typeof value;
    if (typeof value !== 'string') return value;
    return value.replace(INSTANT, 'an instant').replace(UUID, 'a UUID');
  });
