import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startTestApi, type TestApi } from '../../testing/test-api.js';

let api: TestApi;
beforeAll(async () => {
  api = await startTestApi();
});
afterAll(() => api.stop());

const send = async (method: string, path: string, body?: unknown, headers: Record<string, string> = {}) => {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  const response = await fetch(`${api.url}/v1/workflows${path}`, {
    method,
    headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
    ...(body === undefined ? {} : { body: text }),
  });
  const answer = await response.text();
  return {
    status: response.status,
    headers: response.headers,
    json: answer === '' ? null : (JSON.parse(answer) as any),
  };
};
const pass = (description: string) => ({ description, root: { type: 'pass', name: 'only' } });
const YAML = { 'content-type': 'application/yaml' };

describe('PUT /v1/workflows/{name}', () => {
  it('makes version 1, then 2 of other content, and none of the same', async () => {
    const first = await send('PUT', '/versions-a', pass('one'));
    expect([first.status, first.headers.get('etag'), first.json.version]).toEqual([201, '"1"', 1]);
    expect(first.headers.get('location')).toBe('/v1/workflows/versions-a/versions/1');
    expect(first.headers.get('stepwell-position')).toMatch(/^\d+$/);
    const same = await send('PUT', '/versions-a', '{ "root": {"name":"only", "type":"pass"}, "description":"one" }');
    expect([same.status, same.headers.get('etag')]).toEqual([200, '"1"']);
    const second = await send('PUT', '/versions-a', pass('two'));
    expect([second.status, second.headers.get('etag')]).toEqual([201, '"2"']);
  });

  it('takes YAML, and counts the same content in JSON as the same', async () => {
    const yaml = 'description: one\nroot:\n  type: pass # says nothing\n  name: only\n';
    expect((await send('PUT', '/yaml-a', yaml, YAML)).status).toBe(201);
    expect((await send('PUT', '/yaml-a', pass('one'))).status).toBe(200);
    const { json } = await send('GET', '/yaml-a');
    expect(json).toMatchObject({ definition: pass('one'), source: yaml, latestVersion: 1 });
  });

  it('publishes only under the precondition given', async () => {
    expect((await send('PUT', '/guarded', pass('a'), { 'if-match': '*' })).status).toBe(412);
    expect((await send('PUT', '/guarded', pass('a'), { 'if-none-match': '*' })).status).toBe(201);
    const refused = await send('PUT', '/guarded', pass('b'), { 'if-none-match': '*' });
    expect([refused.status, refused.json.code, refused.headers.get('etag')]).toEqual([
      412,
      'precondition-failed',
      '"1"',
    ]);
    expect((await send('PUT', '/guarded', pass('b'), { 'if-match': '"1"' })).status).toBe(201);
    expect((await send('PUT', '/guarded', pass('c'), { 'if-match': '"1"' })).status).toBe(412);
    expect((await send('PUT', '/guarded', pass('c'), { 'if-match': 'W/"2"' })).status).toBe(412);
    expect((await send('PUT', '/guarded', pass('c'), { 'if-match': '"1", "2"' })).status).toBe(201);
    expect((await send('PUT', '/guarded', pass('d'), { 'if-none-match': '"7", W/"3"' })).status).toBe(412);
    expect((await send('PUT', '/guarded', pass('d'), { 'if-match': '3' })).json.errors[0].pointer).toBe('If-Match');
  });

  it('refuses a definition with all its errors, each with pointer, line and column', async () => {
    const yaml =
      'root:\n  type: sequence\n  steps:\n    - { type: step, name: a, url: "ftp://x" }\n    - { type: stepp, name: b }\n';
    const { status, json } = await send('PUT', '/broken', yaml, YAML);
    expect([status, json.code]).toEqual([400, 'invalid-definition']);
    const errors = json.errors.map(({ pointer, line }: any) => [pointer, line]);
    expect(errors).toContainEqual(['/root/steps/0/url', 4]);
    expect(errors).toContainEqual(['/root/steps/1/type', 5]);
    expect((await send('GET', '/broken')).status).toBe(404);
  });

  it.each([
    ['a name with a blank', '/a%20b', 400, 'validation-failed'],
    ['a name that begins with a digit', '/1a', 400, 'validation-failed'],
    ['a name of 65 characters', `/${'a'.repeat(65)}`, 400, 'validation-failed'],
  ])('refuses %s', async (_name, path, status, code) => {
    const answer = await send('PUT', path, pass('x'));
    expect([answer.status, answer.json.code]).toEqual([status, code]);
  });

  it.each<[string, unknown, Record<string, string>, number, string]>([
    ['no body', '', {}, 400, 'malformed-json'],
    ['broken YAML', 'root: [', YAML, 400, 'malformed-yaml'],
    ['a member named twice in YAML', 'root: 1\nroot: 2\n', YAML, 400, 'duplicate-key'],
    ['an array', [], {}, 400, 'invalid-definition'],
    ['text', 'x', { 'content-type': 'text/plain' }, 415, 'unsupported-media-type'],
    ['more than the limit', `{"description":"${'x'.repeat(530_000)}"}`, {}, 413, 'payload-too-large'],
    [
      'a YAML bomb',
      `a: &a [1,1,1,1,1,1,1,1,1,1]\n${'bcdefghij'
        .split('')
        .map((name, index) => `${name}: &${name} [${Array(10).fill(`*${'abcdefghi'[index]}`).join(',')}]\n`)
        .join('')}`,
      YAML,
      400,
      '',
    ],
  ])('refuses %s', async (_name, body, headers, status, code) => {
    const answer = await send('PUT', '/refused', body, headers);
    expect(answer.status).toBe(status);
    if (code !== '') expect(answer.json.code).toBe(code);
    expect((await send('GET', '/refused')).status).toBe(404);
  });
});

describe('reading workflows', () => {
  it('gives the latest with its document, each version, and a list of versions', async () => {
    await send('PUT', '/read-a', pass('one'));
    await send('PUT', '/read-a', pass('two'));
    const latest = await send('GET', '/read-a');
    expect(latest.json).toMatchObject({
      name: 'read-a',
      latestVersion: 2,
      definition: pass('two'),
      archivedAt: null,
      draftSavedAt: null,
    });
    expect(latest.headers.get('etag')).toBe('"2"');
    const first = await send('GET', '/read-a/versions/1');
    expect([first.json.version, first.json.definition]).toEqual([1, pass('one')]);
    const page = await send('GET', '/read-a/versions?limit=1');
    expect([page.json.items.map((item: any) => item.version), page.json.nextCursor]).toEqual([[2], '2']);
    const next = await send('GET', `/read-a/versions?limit=1&cursor=${page.json.nextCursor}`);
    expect([next.json.items.map((item: any) => item.version), next.json.nextCursor]).toEqual([[1], null]);
  });

  it('answers 304 to who has seen the version', async () => {
    await send('PUT', '/read-b', pass('one'));
    const seen = await send('GET', '/read-b', undefined, { 'if-none-match': '"7", W/"1"' });
    expect([seen.status, seen.headers.get('etag'), seen.json]).toEqual([304, '"1"', null]);
    expect((await send('GET', '/read-b', undefined, { 'if-none-match': '"2"' })).status).toBe(200);
  });

  it('names the nearest workflow and the latest version when there is no such one', async () => {
    await send('PUT', '/read-c', pass('one'));
    const missing = await send('GET', '/read-cc');
    expect([missing.status, missing.json.code]).toEqual([404, 'workflow-not-found']);
    expect(missing.json.detail).toContain('"read-c"');
    for (const version of ['2', '0', 'x', '99999999999']) {
      expect((await send('GET', `/read-c/versions/${version}`)).json.code).toBe('version-not-found');
    }
    expect((await send('GET', '/read-c/draft')).json.code).toBe('draft-not-found');
  });

  it('pages through the list by name, once each, while others come in', async () => {
    for (const name of ['list-a', 'list-c', 'list-e']) await send('PUT', `/${name}`, pass(name));
    const names: string[] = [];
    for (let cursor: string | null = ''; cursor !== null;) {
      const { json }: any = await send('GET', `?limit=1${cursor === '' ? '' : `&cursor=${cursor}`}`);
      names.push(...json.items.map((item: any) => item.name));
      if (names.at(-1) === 'list-c') await send('PUT', '/list-b', pass('b'));
      if (names.at(-1) === 'list-c') await send('PUT', '/list-d', pass('d'));
      cursor = json.nextCursor;
    }
    expect(names.filter((name) => name.startsWith('list-'))).toEqual(['list-a', 'list-c', 'list-d', 'list-e']);
  });

  it.each(['limit=0', 'limit=1001', 'limit=1e3', 'limit=-1', 'limit=', 'limit=5&limit=6', 'limitt=5', 'archived=yes'])(
    'refuses ?%s',
    async (query) => {
      const { status, json } = await send('GET', `?${query}`);
      expect([status, json.code]).toEqual([400, 'validation-failed']);
    },
  );

  it.each(['x', '%00', 'bGlzdC1h%3D', 'MSA'])('refuses the cursor %s', async (cursor) => {
    const { status, json } = await send('GET', `?cursor=${cursor}`);
    expect([status, json.code]).toEqual([400, 'cursor-invalid']);
  });
});

describe('If-Match', () => {
  it('is honoured where a workflow is archived', async () => {
    await send('PUT', '/matched-a', pass('a'));
    await send('PUT', '/matched-a', pass('b'));
    const refused = await send('DELETE', '/matched-a', undefined, { 'if-match': '"1"' });
    expect([refused.status, refused.json.code, refused.headers.get('etag')]).toEqual([
      412,
      'precondition-failed',
      '"2"',
    ]);
    expect((await send('DELETE', '/matched-a', undefined, { 'if-match': '"7","2"' })).status).toBe(200);
  });

  it('is honoured where a draft is saved or discarded, by the ETag of the draft', async () => {
    const first = await send('PUT', '/matched-b/draft', pass('a'), { 'if-none-match': '*' });
    const etag = first.headers.get('etag')!;
    expect([first.status, etag]).toEqual([200, expect.stringMatching(/^"\d+"$/)]);
    expect((await send('GET', '/matched-b/draft')).headers.get('etag')).toBe(etag);
    expect((await send('PUT', '/matched-b/draft', pass('b'), { 'if-none-match': '*' })).status).toBe(412);
    const second = await send('PUT', '/matched-b/draft', pass('b'), { 'if-match': etag });
    expect(second.status).toBe(200);
    const late = await send('PUT', '/matched-b/draft', pass('c'), { 'if-match': etag });
    expect([late.status, late.headers.get('etag')]).toEqual([412, second.headers.get('etag')]);
    expect((await send('DELETE', '/matched-b/draft', undefined, { 'if-match': etag })).status).toBe(412);
    expect((await send('GET', '/matched-b/draft')).json).toMatchObject({ definition: pass('b') });
    const gone = await fetch(`${api.url}/v1/workflows/matched-b/draft`, { method: 'DELETE' });
    expect([gone.status, await gone.text(), gone.headers.get('stepwell-position')]).toEqual([
      204,
      '',
      expect.any(String),
    ]);
    expect((await send('GET', '/matched-b')).status).toBe(404);
  });

  it('is honoured where something is read', async () => {
    await send('PUT', '/matched-c', pass('a'));
    expect((await send('GET', '/matched-c', undefined, { 'if-match': '"1"' })).status).toBe(200);
    expect((await send('GET', '/matched-c', undefined, { 'if-match': '*' })).status).toBe(200);
    expect((await send('GET', '/matched-c', undefined, { 'if-match': 'W/"1"' })).status).toBe(412);
    expect((await send('GET', '/matched-c', undefined, { 'if-match': '"2"' })).headers.get('etag')).toBe('"1"');
  });

  it.each([
    ['"9,8", "1"', 304],
    ['"9", , W/"1"', 304],
    ['*', 304],
    ['"1,2"', 200],
    ['1', 200],
  ])('beside it If-None-Match is read as a list of tags: %s is answered with %i', async (tags, status) => {
    await send('PUT', '/matched-d', pass('a'));
    const answer = await fetch(`${api.url}/v1/workflows/matched-d`, { headers: { 'if-none-match': tags } });
    expect(answer.status).toBe(status);
  });
});

describe('drafts', () => {
  it('stands beside the versions and may be started', async () => {
    expect((await send('PUT', '/draft-a/draft', pass('draft'))).json).toMatchObject({
      name: 'draft-a',
      version: 'draft',
    });
    expect((await send('GET', '/draft-a/draft')).json).toMatchObject({ definition: pass('draft') });
    const { createdAt } = (await send('GET', '/draft-a')).json;
    expect((await send('GET', '/draft-a')).json).toMatchObject({ latestVersion: null, definition: null });
    await send('PUT', '/draft-a/draft', pass('other draft'));
    expect((await send('GET', '/draft-a')).json.createdAt).toBe(createdAt);
    await send('PUT', '/draft-a/draft', pass('draft'));
    const unnamed = await fetch(`${api.url}/v1/runs`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'idempotency-key': 'draft-0' },
      body: '{"workflow":"draft-a"}',
    });
    expect(((await unnamed.json()) as any).detail).toContain('start that by "version": "draft"');
    const headers = { 'content-type': 'application/json', 'idempotency-key': 'draft-1', prefer: 'wait=5' };
    const run = await fetch(`${api.url}/v1/runs`, {
      method: 'POST',
      headers,
      body: '{"workflow":"draft-a","version":"draft","input":3}',
    });
    expect(await run.json()).toMatchObject({ version: 'draft', status: 'completed', output: 3 });
  });
});

describe('DELETE /v1/workflows/{name}', () => {
  it('archives: kept and readable, out of the list, and not to be started; publishing brings it back', async () => {
    await send('PUT', '/gone', pass('one'));
    const archived = await send('DELETE', '/gone');
    expect([archived.status, archived.json]).toEqual([200, { name: 'gone', archivedAt: expect.stringMatching(/Z$/) }]);
    expect((await send('DELETE', '/gone')).json).toEqual(archived.json);
    expect((await send('GET', '/gone/versions/1')).status).toBe(200);
    const listed = async (query: string) =>
      (await send('GET', `?limit=1000${query}`)).json.items.some((item: any) => item.name === 'gone');
    expect([await listed(''), await listed('&archived=true')]).toEqual([false, true]);
    expect((await send('PUT', '/gone', pass('one'))).json.version).toBe(2);
    expect(await listed('')).toBe(true);
    expect((await send('DELETE', '/never')).json.code).toBe('workflow-not-found');
  });
});

describe('POST /v1/workflows/validate', () => {
  it('gives all findings with their places and stores nothing', async () => {
    const before = await api.store.head();
    const { status, json } = await send(
      'POST',
      '/validate',
      '{"root":{"type":"sequence",\n"steps":[{"type":"step","url":"/a"},\n{"type":"step","name":"x","url":"http://a:b@c/","retry":{"maxAttempts":-1}}]}}',
    );
    expect([status, json.valid]).toEqual([200, false]);
    expect(json.findings.length).toBeGreaterThanOrEqual(3);
    for (const finding of json.findings) {
      expect(Object.keys(finding).sort()).toEqual(['column', 'detail', 'line', 'pointer', 'severity', 'suggestion']);
      expect(finding.line).toBeGreaterThan(0);
    }
    expect((await send('POST', '/validate', pass('fine'))).json).toEqual({ valid: true, findings: [] });
    expect(await api.store.head()).toBe(before);
  });

  it('warns of a credential among the headers, as publishing does', async () => {
    const headers = { accept: 'text/plain', 'x-api-key': 'abc' };
    const definition = { root: { type: 'step', url: 'http://app:4000/', headers } };
    const warning = { severity: 'warning', pointer: '/root/headers/x-api-key', line: 1, column: 82 };
    const { json } = await send('POST', '/validate', definition);
    expect(json).toMatchObject({ valid: true, findings: [warning] });
    expect((await send('PUT', '/with-key', definition)).json.findings).toEqual(json.findings);
  });

  it('is 400 only for a body that cannot be parsed', async () => {
    expect((await send('POST', '/validate', '{')).status).toBe(400);
    expect((await send('POST', '/validate', 'null')).json).toMatchObject({ valid: false });
  });
});
