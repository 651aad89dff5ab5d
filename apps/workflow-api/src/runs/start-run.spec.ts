import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { Runs } from '#engine';
import { LOG_START, unpack } from '#event-store';
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
const freshKey = (): string => `key-${++keys}`;

type Sent = { status: number; headers: Headers; text: string; json: any };
const start = async (body: unknown, headers: Record<string, string> = {}): Promise<Sent> => {
  const response = await fetch(`${api.url}/v1/runs`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'idempotency-key': freshKey(), ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, text, json: text === '' ? null : JSON.parse(text) };
};
const eventsOf = async (id: string): Promise<string[]> => {
  const response = await fetch(`${api.url}/v1/runs/${id}/events?limit=1000`);
  return ((await response.json()) as any).items.map((event: any) => event.type);
};

const startsInLog = async (): Promise<number> => {
  const commits = await api.store.readAll(LOG_START, { limit: 100_000 });
  return commits.flatMap(unpack).filter((event) => event.type === 'RunStarted').length;
};

const until = async (condition: () => boolean): Promise<void> => {
  for (let tries = 0; !condition() && tries < 200; tries++) await new Promise((resolve) => setTimeout(resolve, 10));
  expect(condition()).toBe(true);
};

describe('POST /v1/runs', () => {
  it('answers 201 with where the run is, its identity and the position of its start', async () => {
    const { status, headers, json } = await start(
      {
        workflow: 'welcome',
        input: { a: 1 },
        tags: { colour: 'red' },
        idSuffix: 'ada',
        correlationId: 'c-1',
        requestor: 'ada',
      },
      { 'idempotency-key': 'the-key' },
    );
    expect(status).toBe(201);
    expect(headers.get('location')).toBe(`/v1/runs/${json.id}`);
    expect(headers.get('stepwell-position')).toMatch(/^\d+$/);
    expect(headers.get('idempotent-replayed')).toBeNull();
    expect(json).toEqual({
      id: expect.stringMatching(/^[a-z2-7]{26}-ada$/),
      key: 'the-key',
      workflow: 'welcome',
      version: 1,
      namespace: 'default',
      queue: 'default',
      tags: { team: 'growth', colour: 'red' },
      correlationId: 'c-1',
      requestor: 'ada',
      createdAt: expect.stringMatching(/Z$/),
      links: {
        self: `/v1/runs/${json.id}`,
        events: `/v1/runs/${json.id}/events`,
        cancel: `/v1/runs/${json.id}/cancel`,
      },
    });
  });

  it('gives the same bytes for the same key and payload in any order and spacing, whatever the run has become', async () => {
    const key = freshKey();
    const first = await start(
      { workflow: 'welcome', input: { a: 1, b: [2] } },
      { 'idempotency-key': key, prefer: 'wait=5' },
    );
    expect(first.status).toBe(200);
    const second = await start('{ "input": {"b": [2], "a":1.0},\n"workflow":"welcome" }', {
      'idempotency-key': `"${key}"`,
    });
    const third = await start({ workflow: 'welcome', input: { a: 1, b: [2] } }, { 'idempotency-key': key });
    expect([second.status, third.status]).toEqual([201, 201]);
    expect(second.headers.get('idempotent-replayed')).toBe('true');
    expect(third.text).toBe(second.text);
    const types = await eventsOf(first.json.id);
    expect(types.filter((type) => type === 'RunStarted')).toHaveLength(1);
  });

  it('takes a number that no double holds for the number that it is', async () => {
    const id = '{"workflow":"welcome","input":{"id":9007199254740993}}';
    const key = { 'idempotency-key': freshKey() };
    const first = await start(id, key);
    const same = await start(id.replace('993', '993.0'), key);
    expect([first.status, same.status, same.text]).toEqual([201, 201, first.text]);
    expect((await start(id.replace('993', '992'), key)).status).toBe(422);
    const text = await (await fetch(`${api.url}/v1/runs/${first.json.id}`)).text();
    expect(text).toContain('"input":{"id":9007199254740993}');
  });

  it('takes an array of 20,000 small objects, and a byte order mark before a body', async () => {
    const input = Array.from({ length: 20_000 }, () => ({ a: 1 }));
    const { status } = await start(`\ufeff${JSON.stringify({ workflow: 'welcome', input })}`);
    expect(status).toBe(201);
  });

  it('refuses another payload under the same key and names both fingerprints', async () => {
    const key = freshKey();
    await start({ workflow: 'welcome', input: 1 }, { 'idempotency-key': key });
    const { status, json } = await start({ workflow: 'welcome', input: 2 }, { 'idempotency-key': key });
    expect(status).toBe(422);
    expect(json.code).toBe('idempotency-key-reused');
    expect(json.detail.match(/[0-9a-f]{64}/g)).toHaveLength(2);
  });

  it('keeps keys of other namespaces and workflows apart', async () => {
    const key = freshKey();
    const ids = await Promise.all(
      [
        { workflow: 'welcome' },
        { workflow: 'welcome', namespace: 'test' },
        { definition: { root: { type: 'pass', name: 'only' } } },
      ].map(async (body) => (await start(body, { 'idempotency-key': key })).json.id),
    );
    expect(new Set(ids).size).toBe(3);
  });

  it('makes one run of 200 concurrent starts with one key', async () => {
    const key = freshKey();
    const answers = await Promise.all(
      Array.from({ length: 200 }, () => start({ workflow: 'welcome', input: { n: 1 } }, { 'idempotency-key': key })),
    );
    expect(new Set(answers.map((answer) => answer.text)).size).toBe(1);
    expect(answers.every((answer) => answer.status === 201)).toBe(true);
    expect(answers.filter((answer) => answer.headers.get('idempotent-replayed') === null)).toHaveLength(1);
    expect((await eventsOf(answers[0]!.json.id)).filter((type) => type === 'RunStarted')).toHaveLength(1);
  });

  it('answers a repetition of a start whose workflow is archived, or published anew', async () => {
    const key = freshKey();
    const publish = (description: string) => {
      const document = { description, root: { type: 'pass', name: 'only' } };
      return api.catalogue.publish('passing', { document, text: JSON.stringify(document), format: 'json' });
    };
    await publish('first');
    const first = await start({ workflow: 'passing' }, { 'idempotency-key': key });
    await publish('second');
    expect((await start({ workflow: 'passing' }, { 'idempotency-key': key })).text).toBe(first.text);
    await api.catalogue.archive('passing');
    const again = await start({ workflow: 'passing' }, { 'idempotency-key': key });
    expect(again.text).toBe(first.text);
    expect(again.headers.get('idempotent-replayed')).toBe('true');
    expect((await start({ workflow: 'passing' })).json.code).toBe('workflow-archived');
    expect((await start({ workflow: 'passing', input: 1 }, { 'idempotency-key': key })).json.code).toBe(
      'idempotency-key-reused',
    );
  });

  it('starts from a catalogue that was just read from the log, by version and as the latest', async () => {
    const other = await startTestApi({}, api.store);
    const body = (extra: object) => ({ method: 'POST', body: JSON.stringify({ workflow: 'welcome', ...extra }) });
    for (const extra of [{}, { version: 1 }]) {
      const headers = { 'content-type': 'application/json', 'idempotency-key': freshKey() };
      expect((await fetch(`${other.url}/v1/runs`, { ...body(extra), headers })).status).toBe(201);
    }
    await other.stop();
  });

  it('names the nearest workflow, and the latest version, when there is no such one', async () => {
    const workflow = await start({ workflow: 'welcom' });
    expect([workflow.status, workflow.json.code]).toEqual([404, 'workflow-not-found']);
    expect(workflow.json.detail).toContain('"welcome"');
    const version = await start({ workflow: 'welcome', version: 9 });
    expect([version.status, version.json.code]).toEqual([404, 'version-not-found']);
    expect(version.json.detail).toContain('the latest is 1');
    expect((await start({ workflow: 'welcome', version: 'draft' })).json.code).toBe('draft-not-found');
  });

  it('starts an inline definition, and finds what is wrong with one', async () => {
    const started = await start(
      { definition: { root: { type: 'pass', name: 'only' } }, input: 7 },
      { prefer: 'wait=5' },
    );
    expect(started.json).toMatchObject({ workflow: null, version: null, status: 'completed', output: 7 });
    const { status, json } = await start({ definition: { root: { type: 'sequence', steps: [] } } });
    expect([status, json.code]).toEqual([400, 'invalid-definition']);
    expect(json.errors[0].pointer).toMatch(/^\/definition\/root/);
  });

  it('takes an inline definition as deep and as wide as a published one', async () => {
    let root: object = { type: 'pass' };
    for (let level = 0; level < 31; level++) root = { type: 'sequence', steps: [root] };
    expect(await start({ definition: { root } })).toMatchObject({ status: 201 });
    const passes = Array.from({ length: 5_500 }, (_, index) => ({ type: 'pass', name: `p${index}` }));
    expect(await start({ definition: { root: { type: 'sequence', steps: passes } } })).toMatchObject({ status: 201 });
  });

  it('refuses an unknown step to start from and names the nearest', async () => {
    const { status, json } = await start({ workflow: 'welcome', fromStep: 'parallel1.emial' });
    expect(status).toBe(422);
    expect(json.errors[0]).toEqual({ pointer: '/fromStep', detail: expect.stringContaining('"parallel1.email"') });
  });

  describe('with Prefer: wait', () => {
    it('answers 200 with the finished run', async () => {
      const { status, headers, json } = await start(
        { workflow: 'welcome', input: { a: 1 } },
        { prefer: 'respond-async, wait=5' },
      );
      expect(status).toBe(200);
      expect(headers.get('preference-applied')).toBe('wait=5');
      expect(json.status).toBe('completed');
      expect(json.output).toEqual([{ ok: true }, { ok: true }]);
    });

    it('answers 202 with the run so far when the time is up', async () => {
      api.owner.held.add('create-user');
      const { status, json } = await start({ workflow: 'welcome' }, { prefer: 'wait=0' });
      expect(status).toBe(202);
      expect(json.status).toBe('running');
      expect(json.steps.map((step: any) => [step.key, step.status])).toEqual([
        ['create-user', 'running'],
        ['parallel1', 'pending'],
      ]);
    });

    it('lets a repetition wait for the end of the first one', async () => {
      api.owner.held.add('create-user');
      const key = freshKey();
      const first = await start({ workflow: 'welcome' }, { 'idempotency-key': key });
      const waiting = start({ workflow: 'welcome' }, { 'idempotency-key': key, prefer: 'wait=10' });
      await fetch(`${api.url}/v1/runs/${first.json.id}/cancel`, { method: 'POST' });
      const { status, headers, json } = await waiting;
      expect([status, json.status, headers.get('idempotent-replayed')]).toEqual([200, 'cancelled', 'true']);
    });

    it('stops waiting when the client goes', async () => {
      api.owner.held.add('create-user');
      let open = 0;
      const runs = {
        start: api.engine.start.bind(api.engine),
        whenEnded: (...given: Parameters<typeof api.engine.whenEnded>) => {
          const stop = api.engine.whenEnded(...given);
          open += 1;
          return () => {
            open -= 1;
            stop();
          };
        },
      } as unknown as Runs;
      const other = await startTestApi({ runs }, api.store);
      const headers = { 'content-type': 'application/json', 'idempotency-key': freshKey(), prefer: 'wait=60' };
      const client = new AbortController();
      const sent = fetch(`${other.url}/v1/runs`, {
        method: 'POST',
        headers,
        body: '{"workflow":"welcome"}',
        signal: client.signal,
      });
      await until(() => open === 1);
      client.abort();
      await expect(sent).rejects.toThrow(/abort/);
      await until(() => open === 0);
      await other.stop();
    });

    it('takes more than it grants for the most that it grants', async () => {
      const { status, headers } = await start({ workflow: 'welcome' }, { prefer: 'wait=61' });
      expect([status, headers.get('preference-applied')]).toEqual([200, 'wait=60']);
    });

    it('passes over what it does not understand', async () => {
      const { status, headers } = await start({ workflow: 'welcome' }, { prefer: 'wait=abc' });
      expect([status, headers.get('preference-applied')]).toEqual([201, null]);
    });
  });

  it.each([
    ['no key', undefined, 'idempotency-key-missing'],
    ['an empty key', '', 'idempotency-key-invalid'],
    ['an empty quoted key', '""', 'idempotency-key-invalid'],
    ['256 characters', 'k'.repeat(256), 'idempotency-key-invalid'],
    ['a blank inside', 'a b', 'idempotency-key-invalid'],
    ['a quote left open', '"a', 'idempotency-key-invalid'],
    ['a quote closed only', 'a"b c"', 'idempotency-key-invalid'],
    ['letters beyond ASCII', 'caf\u00e9', 'idempotency-key-invalid'],
    ['a header sent twice, quoted', '"a", "b"', 'idempotency-key-invalid'],
    ['a header sent twice, bare', 'a, b', 'idempotency-key-invalid'],
    ['a header sent twice, bare, joined without a blank', 'a,b', 'idempotency-key-invalid'],
    ['a header sent twice, quoted, joined without a blank', '"a","b"', 'idempotency-key-invalid'],
  ])('refuses %s as key, and starts nothing', async (_name, key, code) => {
    const before = await startsInLog();
    const headers: Record<string, string> = { 'content-type': 'application/json' };
    if (key !== undefined) headers['idempotency-key'] = key;
    const response = await fetch(`${api.url}/v1/runs`, { method: 'POST', headers, body: '{"workflow":"welcome"}' });
    expect([response.status, ((await response.json()) as any).code]).toEqual([400, code]);
    expect(await startsInLog()).toBe(before);
  });

  it('takes a key of 255 visible characters, and quotes and backslashes inside', async () => {
    expect((await start({ workflow: 'welcome' }, { 'idempotency-key': 'k'.repeat(255) })).status).toBe(201);
    const quoted = await start({ workflow: 'welcome' }, { 'idempotency-key': '"a\\"\\\\b"' });
    expect(quoted.json.key).toBe('a"\\b');
  });

  it.each([
    ['text that is no JSON', '{"workflow":', 'malformed-json'],
    ['nothing', '', 'malformed-json'],
    ['a member named twice', '{"workflow":"welcome","workflow":"welcome"}', 'duplicate-key'],
    ['__proto__', '{"workflow":"welcome","input":{"__proto__":{"a":1}}}', 'forbidden-key'],
    ['constructor.prototype', '{"workflow":"welcome","input":{"constructor":{"prototype":{}}}}', 'forbidden-key'],
    ['1e1001', '{"workflow":"welcome","input":1e1001}', 'number-out-of-range'],
    ['a number of 1,001 digits', `{"workflow":"welcome","input":${'7'.repeat(1_001)}}`, 'number-out-of-range'],
    ['NaN', '{"workflow":"welcome","input":NaN}', 'malformed-json'],
    ['NUL', '{"workflow":"welcome","input":"a\\u0000b"}', 'invalid-string'],
    ['half a surrogate pair', '{"workflow":"welcome","input":"\\ud800"}', 'invalid-string'],
    ['65 levels', `{"workflow":"welcome","input":${'['.repeat(65)}${']'.repeat(65)}}`, 'too-deep'],
    ['100,000 levels', '['.repeat(100_000), 'too-deep'],
    ['an unknown member', '{"workflow":"welcome","inputs":1}', 'validation-failed'],
    ['a number for a name', '{"workflow":1}', 'validation-failed'],
    ['an array', '[]', 'validation-failed'],
    ['null', 'null', 'validation-failed'],
    ['neither workflow nor definition', '{}', 'validation-failed'],
    ['both workflow and definition', '{"workflow":"welcome","definition":{}}', 'validation-failed'],
    ['a version without a workflow', '{"definition":{},"version":1}', 'validation-failed'],
    ['version 0', '{"workflow":"welcome","version":0}', 'validation-failed'],
    ['a bad suffix', '{"workflow":"welcome","idSuffix":"A B"}', 'validation-failed'],
    ['a tag that is no string', '{"workflow":"welcome","tags":{"a":1}}', 'validation-failed'],
    ['a tag that no list could be asked for', '{"workflow":"welcome","tags":{"a=b":""}}', 'validation-failed'],
    ['a tag with too long a name', `{"workflow":"welcome","tags":{"${'x'.repeat(65)}":""}}`, 'validation-failed'],
    ['65 levels beside a definition', `{"definition":{},"input":${'['.repeat(64)}${']'.repeat(64)}}`, 'too-deep'],
    ['130 levels of a definition', `{"definition":${'{"a":'.repeat(130)}1${'}'.repeat(130)}}`, 'too-deep'],
    ['a negative timeout', '{"workflow":"welcome","timeoutMs":-1}', 'validation-failed'],
    ['a control character in a label', '{"workflow":"welcome","requestor":"a\\nb"}', 'validation-failed'],
  ])('refuses %s as body, with a problem, and starts nothing', async (_name, body, code) => {
    const before = await startsInLog();
    const { status, headers, json } = await start(body);
    expect([status, json.code]).toEqual([400, code]);
    expect(headers.get('content-type')).toBe('application/problem+json; charset=utf-8');
    expect(json).toEqual({
      type: `/problems/${code}`,
      title: expect.any(String),
      status: 400,
      detail: expect.any(String),
      code,
      errors: expect.any(Array),
    });
    expect(await startsInLog()).toBe(before);
    expect(({} as any).a).toBeUndefined();
  });

  it('says in the events who asked, as the caller says, and refuses what is no name', async () => {
    const { json } = await start({ workflow: 'welcome' }, { 'stepwell-actor': 'ada@example.org' });
    const events = (await (await fetch(`${api.url}/v1/runs/${json.id}/events`)).json()) as any;
    expect(events.items[0].actor).toBe('ada@example.org');
    for (const actor of ['ada lovelace', 'x'.repeat(256), 'ad\u00e4'])
      expect((await start({}, { 'stepwell-actor': actor })).json.errors[0].pointer).toBe('Stepwell-Actor');
  });

  it('names an unknown member and the one that was meant', async () => {
    const { json } = await start({ workflow: 'welcome', inputt: 1 });
    expect(json.errors).toEqual([{ pointer: '/inputt', detail: 'There is no such member. Did you mean "input"?' }]);
  });

  it('names every wrong member in one answer', async () => {
    const { json } = await start({ workflow: 'welcome', tags: { 'a/b': 1 }, timeoutMs: 'x' });
    expect(json.errors.map((error: any) => error.pointer)).toEqual(['/tags/a~1b', '/timeoutMs']);
  });

  it('says what is wrong with the name of a tag', async () => {
    const { json } = await start({ workflow: 'welcome', tags: { 'a=b': '' } });
    const detail = 'Must be 1 to 64 characters, no "=" and no control characters.';
    expect(json.errors).toEqual([{ pointer: '/tags/a=b', detail }]);
  });

  it('refuses more tags than allowed, those of the definition counted', async () => {
    const tags = Object.fromEntries(Array.from({ length: 50 }, (_, index) => [`t${index}`, '']));
    expect((await start({ workflow: 'welcome', tags })).json.errors[0].pointer).toBe('/tags');
  });

  it.each([0, 1.5, 1e300, 'latest', null])('names what a version may be instead of %s', async (version) => {
    const { json } = await start({ workflow: 'welcome', version });
    expect(json.errors).toEqual([{ pointer: '/version', detail: 'Must be a version number from 1, or "draft".' }]);
  });

  it('refuses an input past the payload limit, and takes one of just that size', async () => {
    const input = 'x'.repeat(256 * 1024 - 2);
    expect((await start({ workflow: 'welcome', input })).status).toBe(201);
    const { status, json } = await start({ workflow: 'welcome', input: `${input}x` });
    expect([status, json.code, json.errors[0].pointer]).toEqual([413, 'payload-too-large', '/input']);
  });
});
