import { afterEach, describe, expect, it } from '@jest/globals';
import { decodeRunEvent, MemoryEventStore, NO_STREAM, runStream, type EventStore } from '#event-store';
import { silentLog, stepIdempotencyKey } from '#runtime';
import { MemoryOpenRuns } from './open-runs/open-runs.js';
import { Application, DispatchWorld, json, runIdOf, stepPlan } from './testing/dispatch-world.js';
import { attemptsIn } from '../../engine/src/testing/history-in.js';

const open: { stop(): Promise<void> }[] = [];
afterEach(async () => {
  for (const part of open.splice(0).reverse()) await part.stop();
});

const application = async (prepare: (app: Application) => unknown = () => undefined) => {
  const app = new Application();
  prepare(app);
  open.push(app);
  return { app, url: await app.start() };
};

const world = async (...args: ConstructorParameters<typeof DispatchWorld>): Promise<DispatchWorld> => {
  const started = await new DispatchWorld(...args).start();
  open.push(started);
  return started;
};

const typesOf = async (store: EventStore, key: string): Promise<string[]> =>
  (await store.readStream(runStream(runIdOf(key)))).map(({ type }) => type);

describe('Dispatcher', () => {
  it('performs a step: its input as body, its idempotency key and place as headers, its answer as output', async () => {
    const { app, url } = await application();
    const { run } = await (
      await world(stepPlan(`${url}/pay?x=1`))
    ).run('a', { amount: 5 }, { correlationId: 'order 7' });
    expect(run.status).toBe('completed');
    expect(run.output).toBe('{"path":"/pay?x=1"}');
    const [request] = app.requests;
    expect(request?.body).toBe('{"amount":5}');
    expect(request?.headers).toMatchObject({
      'content-type': 'application/json',
      'idempotency-key': stepIdempotencyKey(runIdOf('a'), 'only'),
      'stepwell-run-id': runIdOf('a'),
      'stepwell-step': 'only',
      'stepwell-attempt': '1',
      'stepwell-correlation-id': 'order 7',
      traceparent: expect.stringMatching(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/),
    });
  });

  it('commits the start of an attempt before its first byte is sent', async () => {
    let store: EventStore | null = null;
    let seen: string[] = [];
    const { url } = await application((app) =>
      app.on('/', (_request, response) => {
        void typesOf(store!, 'a').then((types) => {
          seen = types;
          json(response, 200, {});
        });
      }),
    );
    const { store: log, run } = await world(stepPlan(`${url}/`)).then(async (made) => {
      store = made.store;
      return { store: made.store, run: (await made.run('a')).run };
    });
    expect(seen).toEqual(['RunStarted', 'StepEntered', 'AttemptStarted']);
    expect(run.status).toBe('completed');
    expect(await typesOf(log, 'a')).toEqual([...seen, 'AttemptSucceeded', 'StepCompleted', 'RunCompleted']);
  });

  it('tries again at the recorded instant under the same key, and no earlier than Retry-After says', async () => {
    const at: number[] = [];
    const { app, url } = await application((app) =>
      app.on('/', (_request, response) => {
        at.push(performance.now());
        if (at.length === 1) json(response, 503, { error: 'Busy', cause: 'come back' }, { 'retry-after': '1' });
        else if (at.length === 2) json(response, 500, {});
        else json(response, 200, 'done');
      }),
    );
    const made = await world(stepPlan(`${url}/`, {}, { retryAfterMaxMs: 300 }));
    const { run } = await made.run('a');
    expect(run.output).toBe('"done"');
    const [first, second] = await attemptsIn(made.store, runIdOf('a'));
    expect(first).toMatchObject({
      outcome: 'may-have-executed',
      status: 503,
      error: { name: 'Busy', cause: 'come back' },
      body: '{"error":"Busy","cause":"come back"}',
    });
    expect(second).toMatchObject({
      outcome: 'may-have-executed',
      status: 500,
      error: { name: 'HTTP.500', cause: 'the application answered 500 Internal Server Error' },
      body: '{}',
    });
    // Retry-After of a second is capped by retryAfterMaxMs; the second wait is the policy's own 40 ms.
    expect(at[1]! - at[0]!).toBeGreaterThanOrEqual(299);
    expect(at[1]! - at[0]!).toBeLessThan(900);
    expect(at[2]! - at[1]!).toBeGreaterThanOrEqual(39);
    expect(new Set(app.requests.map(({ headers }) => headers['idempotency-key'])).size).toBe(1);
    expect(app.requests.map(({ headers }) => headers['stepwell-attempt'])).toEqual(['1', '2', '3']);
  });

  it.each([
    ['refused', 404, 'refused', 'HTTP.404'],
    ['a redirect, not followed', 302, 'refused', 'HTTP.302'],
    ['not implemented', 501, 'may-have-executed', 'HTTP.501'],
  ])('does not try again what is clearly permanent: %s', async (_name, status, outcome, error) => {
    const { app, url } = await application((app) =>
      app.on('/', (_request, response) => json(response, status, {}, { location: '/elsewhere' })),
    );
    const { run } = await (await world(stepPlan(`${url}/`))).run('a');
    expect(run).toMatchObject({ status: 'failed', error: { name: error } });
    expect(run.steps.get('only')!.attempts).toMatchObject([{ outcome, status }]);
    expect(app.requests).toHaveLength(1);
  });

  it('bounds the whole exchange, however slowly the peer drips', async () => {
    const { url } = await application((app) =>
      app.on('/', (_request, response) => {
        response.writeHead(200, { 'content-type': 'text/plain' });
        const drip = setInterval(() => response.write('.'), 20);
        response.on('close', () => clearInterval(drip));
      }),
    );
    const plan = stepPlan(`${url}/`, { timeouts: { connectMs: 500, answerMs: 200, stepMs: null } }, { maxAttempts: 1 });
    const began = performance.now();
    const { run } = await (await world(plan)).run('a');
    expect(performance.now() - began).toBeLessThan(1_500);
    expect(run.error).toMatchObject({ name: 'Stepwell.Timeout' });
    expect(run.steps.get('only')!.attempts).toMatchObject([{ outcome: 'may-have-executed', status: 200 }]);
  });

  it.each([
    ['a declared length', { 'content-length': String(100 * 1024) }],
    ['chunks without end', {}],
  ])('cuts off an answer over the payload limit, and fails the step by name: %s', async (_name, headers) => {
    const { url } = await application((app) =>
      app.on('/', (_request, response) => {
        response.writeHead(200, { 'content-type': 'text/plain', ...headers });
        const flood = setInterval(() => response.write('x'.repeat(16 * 1024)), 1);
        response.on('close', () => clearInterval(flood));
      }),
    );
    const { run } = await (await world(stepPlan(`${url}/`))).run('a');
    expect(run.error).toMatchObject({ name: 'Stepwell.PayloadTooLarge' });
  });

  it.each([
    ['text, byte for byte', 'text/plain', 'žluť\n "x" ', '"žluť\\n \\"x\\" "'],
    ['an empty answer', 'application/json', '', 'null'],
    ['JSON with space', 'application/json; charset=utf-8', '{ "a" : 1 }', '{"a":1}'],
    ['a JSON dialect', 'application/vnd.x+json', '[1]', '[1]'],
  ])('takes %s as output', async (_name, contentType, body, output) => {
    const { url } = await application((app) =>
      app.on('/', (_request, response) => {
        response.writeHead(200, { 'content-type': contentType });
        response.end(body);
      }),
    );
    expect((await (await world(stepPlan(`${url}/`))).run('a')).run.output).toBe(output);
  });

  it.each([
    ['broken JSON', 'application/json', '{"a":'],
    ['a number past all bounds', 'application/json', '{"a":1e1001}'],
    ['a member twice', 'application/json', '{"a":1,"a":2}'],
    ['text that is not UTF-8', 'text/plain', Buffer.from([0xff, 0xfe])],
  ])('fails the step as an invalid answer: %s', async (_name, contentType, body) => {
    const { url } = await application((app) =>
      app.on('/', (_request, response) => {
        response.writeHead(200, { 'content-type': contentType });
        response.end(body);
      }),
    );
    const { run } = await (await world(stepPlan(`${url}/`))).run('a');
    expect(run.error).toMatchObject({ name: 'Stepwell.InvalidAnswer' });
  });

  it.each([
    ['text/csv', 'a;"b"\n1;2\n', 'a;"b"\n1;2\n'],
    ['application/json-seq', '\u001e{"a":1}\n', '\u001e{"a":1}\n'],
    ['text/plain; charset=utf-8', '', ''],
    ['text/plain', null, ''],
    ['TEXT/plain', null, ''],
    ['text/plain', 7, '7'],
    ['application/json', null, 'null'],
    ['application/vnd.x+json; charset=utf-8', 'a', '"a"'],
    ['application/x-ndjson', null, 'null'],
  ])(
    'sends a string under a type that is not JSON as the body itself, null as no text: %s',
    async (contentType, input, body) => {
      const { app, url } = await application();
      await (await world(stepPlan(`${url}/`, { contentType }))).run('a', input);
      expect(app.requests[0]).toMatchObject({ body, headers: { 'content-type': contentType } });
    },
  );

  it('knows that nothing was executed when nobody listens', async () => {
    const { app, url } = await application();
    await app.stop();
    const { run } = await (await world(stepPlan(`${url}/`, {}, { maxAttempts: 2 }))).run('a');
    expect(run.error).toMatchObject({ name: 'Stepwell.ConnectFailed' });
    expect(run.steps.get('only')!.attempts).toMatchObject([{ outcome: 'not-executed' }, { outcome: 'not-executed' }]);
  });

  it('knows that the step may have executed when the connection breaks after the request', async () => {
    const { url } = await application((app) => app.on('/', (request) => void request.socket.destroy()));
    const { run } = await (await world(stepPlan(`${url}/`, {}, { maxAttempts: 1 }))).run('a');
    expect(run.error).toMatchObject({ name: 'Stepwell.ConnectionLost' });
    expect(run.steps.get('only')!.attempts).toMatchObject([{ outcome: 'may-have-executed' }]);
  });

  it.each([1, 3])(
    'keeps within the %d slots of an origin, and lets those go first that waited longest',
    async (slots) => {
      let inFlight = 0;
      let most = 0;
      const order: string[] = [];
      const { url } = await application((app) =>
        app.on('/', (_request, response, body) => {
          order.push(body);
          most = Math.max(most, ++inFlight);
          setTimeout(() => {
            inFlight -= 1;
            json(response, 200, {});
          }, 15);
        }),
      );
      const made = await world(stepPlan(`${url}/`), { options: { attemptsPerOriginMax: slots } });
      const keys = Array.from({ length: 12 }, (_, index) => `k${index}`);
      const runs = await Promise.all(keys.map((key, index) => made.run(key, index)));
      expect(runs.map(({ run }) => run.status)).toEqual(keys.map(() => 'completed'));
      expect(most).toBe(slots);
      // Those in flight together may overtake each other on their way; with one slot there is one order.
      order.forEach((body, index) => expect(Math.abs(Number(body) - index)).toBeLessThan(slots));
    },
  );

  it('records what is in flight at the stop as interrupted, and makes it again without burning an attempt', async () => {
    const { app, url } = await application((app) =>
      app.on('/', (_request, response) => {
        if (app.requests.length > 1) json(response, 200, 'second');
      }),
    );
    const plan = stepPlan(`${url}/`, {}, { maxAttempts: 1 });
    const first = await world(plan, { options: { graceMs: 50 } });
    await first.startRun('a');
    while (app.requests.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    await first.dispatcher.stop();
    const events = (await first.store.readStream(runStream(runIdOf('a')))).map(({ type, v, data }) =>
      decodeRunEvent(type, v, data),
    );
    expect(events.at(-1)).toMatchObject({ type: 'AttemptFailed', class: 'may-have-executed', interrupted: true });
    const second = await world(plan, { store: first.store, openRuns: first.openRuns });
    const loaded = await second.ended('a');
    expect(loaded?.run).toMatchObject({ status: 'completed', output: '"second"' });
    expect(app.requests[1]?.headers['stepwell-attempt']).toBe('2');
  });

  it('stops within its grace, and a second for recording, though an append is never answered', async () => {
    class SilentStore extends MemoryEventStore {
      silent = false;
      override append(...[append, settle]: Parameters<MemoryEventStore['append']>): void {
        super.append(append, (outcome) => (this.silent ? undefined : settle(outcome)));
      }
    }
    const store = new SilentStore();
    const { url } = await application((app) => app.on('/', () => undefined));
    const made = await new DispatchWorld(stepPlan(`${url}/`), { store, options: { graceMs: 300 } }).start();
    await made.startRun('a');
    store.silent = true;
    const sinceMs = performance.now();
    await made.stop();
    expect(performance.now() - sinceMs).toBeGreaterThanOrEqual(295);
    expect(performance.now() - sinceMs).toBeLessThan(2_300);
    expect(await typesOf(store, 'a')).toContain('AttemptFailed');
  });

  it('stops within two seconds of its grace though the table of open runs is silent, and says so', async () => {
    class SilentTable extends MemoryOpenRuns {
      override stop(): Promise<void> {
        return new Promise(() => undefined);
      }
    }
    const lines: string[] = [];
    const log = { ...silentLog, warn: (line: string) => void lines.push(line) };
    const { url } = await application();
    const parts = { openRuns: new SilentTable(), log, options: { graceMs: 100 } };
    const made = await new DispatchWorld(stepPlan(`${url}/`), parts).start();
    const sinceMs = performance.now();
    await made.dispatcher.stop();
    expect(performance.now() - sinceMs).toBeLessThan(3_500);
    expect(lines).toEqual([expect.stringContaining('their leases end by themselves')]);
  });

  it('sends nothing for an attempt whose start is committed after the stop began, and burns none', async () => {
    const { app, url } = await application();
    let commit = (): void => undefined;
    const store = new MemoryEventStore();
    const append = store.append.bind(store);
    store.append = (given, settle) => {
      if (given.expected === NO_STREAM) commit = () => append(given, settle);
      else append(given, settle);
    };
    const made = await world(stepPlan(`${url}/`, {}, { maxAttempts: 1 }), { store });
    const started = made.startRun('a');
    const stopped = made.dispatcher.stop();
    await made.dispatcher.drain();
    commit();
    expect(await started).toMatchObject({ status: 'started' });
    await stopped;
    expect(app.requests).toEqual([]);
    expect((await store.readStream(runStream(runIdOf('a')))).at(-1)).toMatchObject({
      type: 'AttemptFailed',
      data: expect.stringMatching(/"class":"not-executed".*"interrupted":true/),
    });
  });

  it('sends nothing for an attempt that the very append that started it has ended, and gives its slot back', async () => {
    const { app, url } = await application();
    const made = await world(stepPlan(`${url}/`), { options: { attemptsPerOriginMax: 1 } });
    const { run, plan, position } = await made.run('a');
    expect(made.dispatcher.grant(runIdOf('a'), run.steps.get('only')!, run)).not.toBeNull();
    const attempts = [{ step: 'only', attempt: 1, url: `${url}/` }];
    const commit = { runId: runIdOf('a'), run, plan, position, traceparent: null, fresh: false };
    made.dispatcher.committed({ ...commit, attempts, abandoned: [] });
    expect(made.dispatcher.load.inFlight).toBe(0);
    await made.run('b');
    expect(app.requests).toHaveLength(2);
  });

  it('records an attempt that another boot left without an outcome as unknown, and makes it again under the same key', async () => {
    const { app, url } = await application((app) =>
      app.on('/', (_request, response) => {
        if (app.requests.length > 1) json(response, 200, 'again');
      }),
    );
    const plan = stepPlan(
      `${url}/`,
      { timeouts: { connectMs: 500, answerMs: 60_000, stepMs: null } },
      { maxAttempts: 1 },
    );
    const dead = new DispatchWorld(plan);
    await dead.start();
    await dead.startRun('a');
    while (app.requests.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    // Nothing is stopped: the first world is as good as killed, its answer never comes.
    const alive = await world(plan, { store: dead.store });
    const loaded = await alive.ended('a');
    expect(loaded?.run.steps.get('only')!.attempts).toMatchObject([{ outcome: 'unknown' }, { outcome: 'succeeded' }]);
    expect(app.requests[1]?.headers['idempotency-key']).toBe(app.requests[0]?.headers['idempotency-key']);
    await dead.dispatcher.stop();
  });

  it('times out a step and a run on time, with the attempt in flight as may-have-executed', async () => {
    const { url } = await application((app) => app.on('/', () => undefined));
    const made = await world(stepPlan(`${url}/`, { timeouts: { connectMs: 500, answerMs: 60_000, stepMs: 150 } }));
    const { run } = await made.run('a');
    expect(run.error).toMatchObject({ name: 'Stepwell.StepTimeout' });
    expect(run.steps.get('only')!.attempts).toMatchObject([{ outcome: 'may-have-executed' }]);
    const second = await made.run('b', {}, { timeoutMs: 100 });
    expect(second.run).toMatchObject({ status: 'timed-out', error: { name: 'Stepwell.RunTimeout' } });
  });
});
