import { afterAll, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import type { JsonText } from '#domain';
import type { RunId } from '#engine';
import { stepIdempotencyKey } from '#runtime';
import { TwistedStore } from '../../../../libs/engine/src/testing/engine-world.js';
import { eventually } from '../../../../test/support/pause.js';
import { startTestApi, type TestApi } from '../../testing/test-api.js';

let api: TestApi;
beforeAll(async () => {
  api = await startTestApi();
});
afterAll(() => api.stop());
beforeEach(() => {
  api.owner.held.clear();
  api.owner.grants = true;
});

let keys = 0;
const start = async (body: object = {}, headers: Record<string, string> = {}): Promise<any> => {
  const response = await fetch(`${api.url}/v1/runs`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'idempotency-key': `key-${++keys}`, ...headers },
    body: JSON.stringify({ workflow: 'welcome', ...body }),
  });
  return response.json();
};
const finished = (body: object = {}): Promise<any> => start(body, { prefer: 'wait=5' });
const get = async (path: string, headers: Record<string, string> = {}) => {
  const response = await fetch(`${api.url}${path}`, { headers });
  const text = await response.text();
  return {
    status: response.status,
    headers: response.headers,
    text,
    json: text.startsWith('{') ? (JSON.parse(text) as any) : null,
  };
};
const submit = (id: string, command: object): Promise<void> =>
  new Promise((resolve) =>
    api.engine.submit(id as RunId, command as never, { actor: null, traceparent: null }, () => resolve()),
  );

describe('GET /v1/runs/{id}', () => {
  it('shows steps as a tree with their attempts, inputs and outputs', async () => {
    const { id } = await finished({ input: { a: 1 } });
    const { status, headers, json } = await get(`/v1/runs/${id}`);
    expect(status).toBe(200);
    expect(headers.get('stepwell-position')).toMatch(/^\d+$/);
    expect(Object.keys(json)).toEqual(
      'id key workflow version namespace queue tags variables correlationId requestor duplicateStarts status reason input output error createdAt finishedAt resolved parent revision parked waiting waitingTotal steps stepsTotal stepsCursor'.split(
        ' ',
      ),
    );
    expect(json).toMatchObject({
      status: 'completed',
      input: { a: 1 },
      output: [{ ok: true }, { ok: true }],
      resolved: true,
      waiting: [],
      error: null,
      reason: null,
    });
    expect(json.steps.map((step: any) => [step.key, step.type, step.steps.map((below: any) => below.key)])).toEqual([
      ['create-user', 'step', []],
      ['parallel1', 'parallel', ['parallel1.email', 'parallel1.analytics']],
    ]);
    expect(json.steps[0]).toEqual({
      key: 'create-user',
      name: 'create-user',
      type: 'step',
      status: 'completed',
      input: { a: 1 },
      output: { ok: true },
      mapped: { ok: true },
      error: null,
      enteredAt: expect.any(String),
      startedAt: expect.any(String),
      finishedAt: expect.any(String),
      idempotencyKey: stepIdempotencyKey(json.id, 'create-user'),
      request: {
        method: 'POST',
        url: 'http://127.0.0.1:4000/steps/create-user',
        headers: { 'content-type': 'application/json', 'x-team': 'growth' },
      },
      attempts: [
        {
          number: 1,
          outcome: 'succeeded',
          status: 200,
          error: null,
          body: null,
          url: 'http://127.0.0.1:4000/steps/create-user',
          startedAt: expect.any(String),
          endedAt: expect.any(String),
          retryAt: null,
          dispatcher: 'd1',
        },
      ],
      steps: [],
      stepsTotal: 0,
      stepsCursor: null,
    });
  });

  it('lists what the run has not reached, with its template, in the full view and not in the slim one', async () => {
    api.owner.held.add('create-user');
    const { id } = await start();
    const full = (await get(`/v1/runs/${id}`)).json;
    const slim = (await get(`/v1/runs/${id}?view=slim`)).json;
    expect(slim.steps.map((step: any) => step.key)).toEqual(['create-user']);
    expect(full.steps.map((step: any) => [step.key, step.status])).toEqual([
      ['create-user', 'running'],
      ['parallel1', 'pending'],
    ]);
    expect(full.steps[1].steps.map((step: any) => [step.key, step.status, step.request.url])).toEqual([
      ['parallel1.email', 'pending', 'http://127.0.0.1:4000/steps/email'],
      ['parallel1.analytics', 'pending', 'http://127.0.0.1:4000/steps/analytics'],
    ]);
    expect(Object.keys(full.steps[1])).toEqual(Object.keys(full.steps[0]));
  });

  it('shows a failed attempt with what it was answered, when the next one is due, and what the run waits for', async () => {
    api.owner.held.add('create-user');
    const { id } = await start();
    const error = { name: 'HTTP.503', cause: 'it says "busy"' };
    const body = '{ "message": "it says \\"busy\\"" }\n';
    await submit(id, {
      type: 'FailAttempt',
      step: 'create-user',
      attempt: 1,
      class: 'may-have-executed',
      retryable: true,
      status: 503,
      error,
      body,
      retryAfterMs: null,
      jitter: 0.5,
    });
    const { json } = await get(`/v1/runs/${id}`);
    const [attempt] = json.steps[0].attempts;
    expect(attempt).toMatchObject({
      number: 1,
      outcome: 'may-have-executed',
      status: 503,
      error,
      body,
      retryAt: expect.stringMatching(/Z$/),
    });
    const events = (await get(`/v1/runs/${id}/events`)).json.items;
    expect(events.at(-1)).toMatchObject({ type: 'AttemptFailed', data: { body } });
    expect(json.waiting).toEqual([
      { step: 'create-user', for: 'retry', on: null, since: attempt.endedAt, until: attempt.retryAt, lastError: error },
    ]);
    expect(json.steps[0]).toMatchObject({ status: 'waiting-retry', error });
  });

  it('shows of an ended run which steps it has not reached, and of a step cancelled in its wait the last error', async () => {
    api.owner.held.add('create-user');
    const { id } = await start();
    const error = { name: 'HTTP.503', cause: null };
    const failed = { class: 'may-have-executed', retryable: true, status: 503, error, body: null } as const;
    await submit(id, {
      type: 'FailAttempt',
      step: 'create-user',
      attempt: 1,
      ...failed,
      retryAfterMs: null,
      jitter: 0,
    });
    await fetch(`${api.url}/v1/runs/${id}/cancel`, { method: 'POST' });
    const { json } = await get(`/v1/runs/${id}`);
    expect(json.waiting).toEqual([]);
    expect(json.steps.map((step: any) => [step.key, step.status, step.error])).toEqual([
      ['create-user', 'cancelled', error],
      ['parallel1', 'not-reached', null],
    ]);
    expect(json.steps[1].steps.map((step: any) => step.status)).toEqual(['not-reached', 'not-reached']);
  });

  it('shows the idempotency key that the attempts of a step carry', async () => {
    const { id } = await finished();
    const { steps } = (await get(`/v1/runs/${id}`)).json;
    expect(steps[0].idempotencyKey).toBe(stepIdempotencyKey(id, 'create-user'));
    expect(steps[1].idempotencyKey).toBeNull();
    expect(steps[1].steps[0].idempotencyKey).toBe(stepIdempotencyKey(id, 'parallel1.email'));
  });

  it('shows a step that waits for a slot', async () => {
    api.owner.grants = false;
    const { id } = await start();
    const { json } = await get(`/v1/runs/${id}`);
    expect(json.waiting).toEqual([
      { step: 'create-user', for: 'slots', on: null, since: json.steps[0].enteredAt, until: null, lastError: null },
    ]);
  });

  it('gives payloads as they came, whatever is in them', async () => {
    const input = { '"quoted"': '\u2028 \\ "x"', deep: [[null, 1e21, -0.5]], é: '\ud83d\ude00' };
    const { id } = await finished({ input, variables: { v: '\\' }, tags: { 'a"b': '\\' } });
    expect((await get(`/v1/runs/${id}`)).json).toMatchObject({ input, variables: { v: '\\' }, tags: { 'a"b': '\\' } });
  });

  it('knows no run by an id that nobody has, by a wrong suffix, or without the one it has', async () => {
    const { id } = await finished({ idSuffix: 'ada-1' });
    expect((await get(`/v1/runs/${id}`)).status).toBe(200);
    for (const wrong of [id.slice(0, 26), `${id}x`, `${id.slice(0, 26)}-bob`, 'a'.repeat(26), id.toUpperCase(), 'x']) {
      expect([wrong, (await get(`/v1/runs/${wrong}`)).json.code]).toEqual([wrong, 'run-not-found']);
    }
  });

  it('refuses an unknown view', async () => {
    const { id } = await finished();
    expect((await get(`/v1/runs/${id}?view=fat`)).json.errors[0].pointer).toBe('view');
  });
});

describe('GET /v1/runs/{id}/steps/{key}', () => {
  it('gives one step, and names the nearest when there is none', async () => {
    const { id } = await finished();
    expect((await get(`/v1/runs/${id}/steps/parallel1.email`)).json.key).toBe('parallel1.email');
    expect((await get(`/v1/runs/${id}/steps/parallel1`)).json.steps).toHaveLength(2);
    const missing = await get(`/v1/runs/${id}/steps/parallel1.mail`);
    expect([missing.status, missing.json.detail]).toEqual([404, expect.stringContaining('"parallel1.email"')]);
  });
});

describe('GET /v1/runs/{id}/events', () => {
  it('pages through every event once, in order', async () => {
    const { id } = await finished();
    const revisions: number[] = [];
    for (let from: string | null = '0'; from !== null;) {
      const { json } = await get(`/v1/runs/${id}/events?from=${from}&limit=3`);
      revisions.push(...json.items.map((event: any) => event.revision));
      from = json.nextCursor;
    }
    expect(revisions).toEqual(Array.from({ length: 16 }, (_, index) => index));
  });

  it('goes on at a cursor as every list does', async () => {
    const { id } = await finished();
    const first = await get(`/v1/runs/${id}/events?from=2&limit=3`);
    const second = await get(`/v1/runs/${id}/events?from=2&limit=3&cursor=${first.json.nextCursor}`);
    expect(second.json.items.map((event: any) => event.revision)).toEqual([5, 6, 7]);
    expect(await get(`/v1/runs/${id}/events?cursor=x`)).toMatchObject({
      status: 400,
      json: { code: 'validation-failed' },
    });
  });

  it('streams what is there and what comes, and ends after the end of the run', async () => {
    api.owner.held.add('create-user');
    const { id } = await start();
    const streamed = get(`/v1/runs/${id}/events`, { accept: 'text/event-stream' });
    await new Promise((resolve) => setTimeout(resolve, 50));
    await submit(id, {
      type: 'CompleteAttempt',
      step: 'create-user',
      attempt: 1,
      status: 200,
      output: '{"late":true}' as JsonText,
    });
    const { status, headers, text } = await streamed;
    expect([status, headers.get('content-type')]).toEqual([200, 'text/event-stream']);
    const ids = [...text.matchAll(/^id: (\d+)$/gm)].map((match) => Number(match[1]));
    expect(ids).toEqual(Array.from({ length: 16 }, (_, index) => index));
    const events = [...text.matchAll(/^data: (.*)$/gm)].map((match) => JSON.parse(match[1]!));
    expect(events.at(-1).type).toBe('RunCompleted');
    expect(events).toEqual((await get(`/v1/runs/${id}/events`)).json.items);
  });

  it('resumes after Last-Event-ID, and says 204 past the end', async () => {
    const { id, revision } = await finished();
    const resumed = await get(`/v1/runs/${id}/events`, {
      accept: 'text/event-stream',
      'last-event-id': String(revision - 2),
    });
    expect([...resumed.text.matchAll(/^id: (\d+)$/gm)].map((match) => Number(match[1]))).toEqual([
      revision - 1,
      revision,
    ]);
    expect(
      (await get(`/v1/runs/${id}/events`, { accept: 'text/event-stream', 'last-event-id': String(revision) })).status,
    ).toBe(204);
    expect((await get(`/v1/runs/${id}/events`, { accept: 'text/event-stream', 'last-event-id': 'x' })).status).toBe(
      400,
    );
  });

  it('waits with an open stream for a run that has not gone past what the client has seen', async () => {
    api.owner.held.add('create-user');
    const { id } = await start();
    const streamed = get(`/v1/runs/${id}/events?from=5`, { accept: 'text/event-stream' });
    await new Promise((resolve) => setTimeout(resolve, 50));
    await fetch(`${api.url}/v1/runs/${id}/cancel`, { method: 'POST' });
    const { status, text } = await streamed;
    expect([status, text]).toEqual([200, 'retry: 1000\n\n']);
  });
});

describe('a server that stops', () => {
  const holding = async (store?: TwistedStore) => {
    const other = await startTestApi({}, store);
    other.owner.held.add('create-user');
    const send = (key: string, headers: Record<string, string> = {}) =>
      fetch(`${other.url}/v1/runs`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'idempotency-key': key, ...headers },
        body: '{"workflow":"welcome"}',
      });
    return { other, send };
  };

  it('ends open streams, and answers those who wait for an end with the run so far', async () => {
    const { other, send } = await holding();
    const waits = jest.spyOn(other.engine, 'whenEnded');
    const { id } = (await (await send('k')).json()) as any;
    const streamed = await fetch(`${other.url}/v1/runs/${id}/events`, { headers: { accept: 'text/event-stream' } });
    const events = streamed.body!.pipeThrough(new TextDecoderStream()).values();
    for (let text = ''; !text.includes('AttemptStarted');) text += (await events.next()).value;
    const waited = send('k', { prefer: 'wait=60' });
    await eventually('somebody to wait', async () => (waits.mock.calls.length > 0 ? true : null));
    await other.stop();
    expect((await waited).status).toBe(202);
    for await (const rest of events) expect(rest).not.toContain('RunCompleted');
  });

  it('answers a start that is on its way to the log then, without waiting for the end of its run', async () => {
    const store = new TwistedStore();
    const { other, send } = await holding(store);
    let commit: (() => void) | null = null;
    store.twist = (append, settle) => {
      store.twist = null;
      commit = () => store.append(append, settle);
      return true;
    };
    const waited = send('k', { prefer: 'wait=60' });
    const release = await eventually('an append', async () => commit);
    const stopped = other.stop();
    await eventually('the server to listen no more', async () => (other.app.getHttpServer().listening ? null : true));
    release();
    const response = await waited;
    expect([response.status, ((await response.json()) as any).status]).toEqual([202, 'running']);
    await stopped;
  });
});
