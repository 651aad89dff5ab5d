import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startTestApi, type TestApi } from '../../testing/test-api.js';

let api: TestApi;
beforeAll(async () => {
  api = await startTestApi();
});
afterAll(() => api.stop());

describe('what is asked for by Accept', () => {
  it.each([
    ['text/event-stream', true],
    ['Text/Event-Stream;charset=utf-8', true],
    ['text/event-stream, */*;q=0.1', true],
    ['application/json;q=0.5, text/event-stream;q=0.8', true],
    ['text/event-stream;q=0', false],
    ['text/event-stream;q=0.5, application/json', false],
    ['application/json, text/event-stream; q=0.9', false],
    ['text/*', false],
    ['*/*', false],
    ['application/json', false],
    ['x-note/y;a="text/event-stream, text/event-stream"', false],
  ])('%s is the stream: %s', async (accept, isStream) => {
    const { id } = await startRun();
    const answer = await fetch(`${api.url}/v1/runs/${id}/events`, { headers: { accept } });
    await answer.body?.cancel();
    expect(answer.headers.get('content-type')).toMatch(isStream ? /^text\/event-stream/ : /^application\/json/);
  });
});

describe('a step that is not there', () => {
  it('is told from one that the run has not reached', async () => {
    api.owner.held.add('create-user');
    const { id } = await startRun();
    api.owner.held.delete('create-user');
    const read = async (key: string) => {
      const answer = await fetch(`${api.url}/v1/runs/${id}/steps/${key}`);
      return { status: answer.status, ...((await answer.json()) as { code: string; detail: string }) };
    };
    expect(await read('parallel1.email')).toMatchObject({ status: 404, code: 'step-not-reached' });
    const misspelt = await read('parallel1.emial');
    expect(misspelt).toMatchObject({ status: 404, code: 'step-not-found' });
    expect(misspelt.detail).toContain('Did you mean "parallel1.email"');
    await fetch(`${api.url}/v1/runs/${id}/cancel`, { method: 'POST' });
    expect((await read('parallel1.email')).detail).toContain('has ended as cancelled without it');
  });
});

const startRun = async (): Promise<{ readonly id: string }> => {
  const headers = { 'content-type': 'application/json', 'idempotency-key': randomUUID() };
  const answer = await fetch(`${api.url}/v1/runs`, { method: 'POST', headers, body: '{"workflow":"welcome"}' });
  return (await answer.json()) as { id: string };
};
