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
