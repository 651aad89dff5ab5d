import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startTestApi, type TestApi } from '../../testing/test-api.js';

const SECRET = 's3cr3t';
const headers = {
  authorization: `Bearer ${SECRET}`,
  'x-api-key': SECRET,
  'x-team-token': SECRET,
  'x-shared-secret': SECRET,
  'signing-key': SECRET,
  'x-team': 'growth',
};
const DEFINITION = {
  target: 'http://127.0.0.1:4000',
  root: {
    type: 'sequence',
    steps: [
      { type: 'step', name: 'held', url: '/held', input: { headers: { 'x-api-key': 'of a payload' } }, headers },
      { type: 'step', name: 'later', url: '/later', headers },
    ],
  },
};

let api: TestApi;
let id: string;
beforeAll(async () => {
  api = await startTestApi();
  api.owner.held.add('held');
  const answer = await fetch(`${api.url}/v1/runs`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'idempotency-key': randomUUID() },
    body: JSON.stringify({ definition: DEFINITION, input: 12345678901234567890n.toString() }),
  });
  ({ id } = (await answer.json()) as { id: string });
});
afterAll(() => api.stop());

const read = async (path: string, accept = 'application/json'): Promise<string> => {
  const answer = await fetch(`${api.url}/v1/runs/${id}${path}`, { headers: { accept } });
  return answer.text();
};

describe('credentials in the headers of a step', () => {
  it.each(['', '?view=full', '/steps/held', '/events'])(
    'are not in the answer to GET /v1/runs/{id}%s',
    async (path) => {
      const text = await read(path);
      expect(text).not.toContain(SECRET);
      expect(text).toContain('"x-api-key":"[masked]"');
      expect(text).toContain('"x-team":"growth"');
    },
  );

  it('are not in the stream of events, and payloads stay what they are', async () => {
    const streamed = read('/events', 'text/event-stream');
    await fetch(`${api.url}/v1/runs/${id}/cancel`, { method: 'POST' });
    const text = await streamed;
    expect(text).not.toContain(SECRET);
    expect(text).toContain('"authorization":"[masked]"');
    expect(text).toContain('of a payload');
  });
});

describe('credentials in the headers of a definition', () => {
  const yaml = (value: string, more = '') => `
target: http://127.0.0.1:4000
root:
  type: step
  name: pay
  url: /pay # of the shop
  headers:
    Authorization: ${value}
    x-team: growth
${more}`;
  const put = (path: string, body: string, type = 'application/yaml') =>
    fetch(`${api.url}/v1/workflows/${path}`, { method: 'PUT', body, headers: { 'content-type': type } });
  const readBack = async (path: string): Promise<any> => (await fetch(`${api.url}/v1/workflows/${path}`)).json();

  it.each([
    ['plain', `Bearer ${SECRET}`],
    ['quoted', `"Bearer \\x73${SECRET.slice(1)}"`],
    ['of many lines', `>-\n      Bearer\n      ${SECRET}`],
    ['with an anchor', `&secret ${SECRET}`],
  ])('are not shown of a YAML text: %s', async (name, value) => {
    const workflow = `masked-${name.replaceAll(' ', '-')}`;
    expect((await put(workflow, yaml(value))).status).toBe(201);
    expect((await put(`${workflow}/draft`, yaml(value))).status).toBe(200);
    for (const path of [workflow, `${workflow}/versions/1`, `${workflow}/draft`]) {
      const shown = await readBack(path);
      expect(shown.definition.root.headers).toEqual({ Authorization: '[masked]', 'x-team': 'growth' });
      expect(JSON.stringify(shown)).not.toContain(SECRET);
      expect(shown.source).toContain('# of the shop');
      expect(shown.source).toMatch(/Authorization: .*"\[masked\]"\n    x-team: growth/);
    }
  });

  it('leave no source where the text has them behind an alias', async () => {
    const steps = ['a: &s s3cr3t', 'b: *s'].map((each) => {
      const [name, value] = each.split(': ');
      return `    - { type: step, name: ${name}, url: /${name}, headers: { authorization: ${value} } }`;
    });
    const text = `target: http://127.0.0.1:4000\nroot:\n  type: sequence\n  steps:\n${steps.join('\n')}\n`;
    expect((await put('masked-alias', text)).status).toBe(201);
    const shown = await readBack('masked-alias');
    expect(JSON.stringify(shown)).not.toContain(SECRET);
    expect(shown.source).toBeNull();
    expect(shown.definition.root.steps[1].headers).toEqual({ authorization: '[masked]' });
  });

  it('are not shown of a definition in JSON, whose payloads stay what they are', async () => {
    expect((await put('masked-json', JSON.stringify(DEFINITION), 'application/json')).status).toBe(201);
    const { definition, source } = await readBack('masked-json');
    expect(JSON.stringify(definition)).not.toContain(SECRET);
    expect(definition.root.steps[0]).toMatchObject({ input: { headers: { 'x-api-key': 'of a payload' } } });
    expect(definition.root.steps[1].headers).toMatchObject({ 'signing-key': '[masked]', 'x-team': 'growth' });
    expect(source).toBeNull();
  });

  it('are to be sent again by who publishes what was shown', async () => {
    expect((await put('masked-again', yaml(SECRET))).status).toBe(201);
    const { definition } = await readBack('masked-again');
    const refused = await put('masked-again', JSON.stringify(definition), 'application/json');
    expect(refused.status).toBe(400);
    expect(((await refused.json()) as any).errors).toMatchObject([
      { pointer: '/root/headers/Authorization', detail: expect.stringContaining('send the value itself') },
    ]);
  });
});
