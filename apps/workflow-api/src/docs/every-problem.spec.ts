import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RunId } from '#engine';
import { Archiver } from '#retention';
import { LogFull, MemoryEventStore, runStream, type Append, type AppendOutcome, type Position } from '#event-store';
import { silentLog, systemClock, systemEntropy } from '#runtime';
import { notReady, READY } from '../../../modules/src/process-report.js';
import { startTestApi, type TestApi } from '../../testing/test-api.js';
import type { ProblemCode } from '../http/problems.js';
import { startRunId } from '../runs/run-id.js';
import { describeApi } from '../workflow-api.module.js';

/** What no request here leads to, each with the spec that shows it. */
const SHOWN_ELSEWHERE: Readonly<Partial<Record<ProblemCode, string>>> = {
  // A mistake of ours: were it known how to make one, it would be mended.
  'internal-error': 'apps/workflow-api/src/http/pipeline.spec.ts',
  // Takes the slowest client that is borne with.
  'request-timeout': 'apps/workflow-api/src/http/http-edge.spec.ts',
};

class Away extends Error {
  readonly code = 'away';
  readonly retryable = true;
}

class TroubledLog extends MemoryEventStore {
  trouble: 'none' | 'full' | 'away' = 'none';

  override append(append: Append, settle: (outcome: AppendOutcome) => void): void {
    if (this.trouble === 'none') return super.append(append, settle);
    const outcome: AppendOutcome =
      this.trouble === 'full'
        ? { status: 'refused', fault: new LogFull('no room') }
        : { status: 'unknown', cause: new Away('no answer') };
    setImmediate(() => settle(outcome));
  }

  override readStream(...asked: Parameters<MemoryEventStore['readStream']>) {
    return this.trouble === 'away' ? Promise.reject(new Away('no answer')) : super.readStream(...asked);
  }

  override async *readPages(...asked: Parameters<MemoryEventStore['readPages']>) {
    if (this.trouble === 'away') throw new Away('no answer');
    yield* super.readPages(...asked);
  }

  override readAll(...asked: Parameters<MemoryEventStore['readAll']>) {
    return this.trouble === 'away' ? Promise.reject(new Away('no answer')) : super.readAll(...asked);
  }
}

type Asked = {
  readonly path?: Readonly<Record<string, string>>;
  readonly query?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Buffer;
};
const DRAFTS = ['/v1/workflows/{name}/draft'];
const chains = Array<string>(1_700).fill(`${'{"":'.repeat(60)}1${'}'.repeat(60)}`);
const inYaml = { 'content-type': 'application/yaml' };
const started = (members: object): Asked => ({ body: JSON.stringify(members) });

/** How each code is provoked, at all routes that tell of it alike. A route that this does not concern answers something else. */
const PROVOKED: Readonly<Partial<Record<ProblemCode, readonly Asked[]>>> = {
  'validation-failed': [{ query: '?nope=1' }],
  'cursor-invalid': [{ query: '?cursor=nope' }],
  'malformed-json': [{ body: '{' }],
  'malformed-yaml': [{ body: 'a: [', headers: inYaml }],
  'duplicate-key': [{ body: '{"a":1,"a":2}' }],
  'forbidden-key': [{ body: '{"__proto__":1}' }],
  'number-out-of-range': [{ body: '{"a":1e5000}' }],
  'invalid-string': [{ body: '"\\u0000"' }],
  'invalid-encoding': [{ body: Buffer.from([0x22, 0xff, 0x22]) }],
  'too-deep': [{ body: '['.repeat(200) + ']'.repeat(200) }],
  'too-many-keys': [{ body: `[${chains.join(',')}]` }],
  'payload-too-large': [{ body: ' '.repeat(700_000) }],
  'unsupported-media-type': [{ body: 'x', headers: { 'content-type': 'text/plain' } }],
  'invalid-definition': [{ body: '{}' }, started({ definition: {} })],
  'precondition-failed': [{ headers: { 'if-match': '"999", "999-full"' } }],
  'workflow-not-found': [{ path: { name: 'nobody' } }, started({ workflow: 'nobody' })],
  'version-not-found': [{ path: { version: '99' } }, started({ workflow: 'welcome', version: 99 })],
  'draft-not-found': [{ path: { name: 'plain' } }, started({ workflow: 'plain', version: 'draft' })],
  'workflow-archived': [started({ workflow: 'gone' })],
  'step-unknown': [started({ workflow: 'welcome', fromStep: 'nope' })],
  'idempotency-key-missing': [{ headers: { 'idempotency-key': '' } }],
  'idempotency-key-invalid': [{ headers: { 'idempotency-key': 'a b' } }],
  'idempotency-key-reused': [{ headers: { 'idempotency-key': 'held' }, body: '{"workflow":"welcome","input":2}' }],
  'run-not-found': [{ path: { id: 'a'.repeat(26) } }],
  'step-not-found': [{ path: { key: 'nope' } }, { query: '?below=nope' }],
  'step-not-reached': [{ path: { key: 'parallel1.email' } }, { query: '?below=parallel1' }],
  'payload-not-found': [{ query: '?pointer=/output' }],
  'run-ended': [{ path: { id: 'ENDED' } }],
  'run-archived': [
    { path: { id: 'ARCHIVED' } },
    { headers: { 'idempotency-key': 'archived' }, body: '{"workflow":"welcome"}' },
  ],
  'run-parked': [
    { path: { id: 'PARKED' } },
    { headers: { 'idempotency-key': 'parked' }, body: '{"workflow":"welcome"}' },
  ],
  'view-behind': [{ headers: { 'stepwell-min-position': '999' } }],
  'event-type-not-found': [{ path: { type: 'Nope' } }],
  'problem-not-found': [{ path: { code: 'nope' } }],
};

describe('every problem that the document tells of', () => {
  const log = new TroubledLog();
  const ids = new Map<string, string>();
  const seen = new Set<string>();
  const folder = mkdtempSync(join(tmpdir(), 'stepwell-problems-'));
  let api: TestApi;
  let isReady = true;
  let stopped: Promise<void> | null = null;
  let routes: readonly { readonly method: string; readonly path: string; readonly codes: readonly ProblemCode[] }[];

  beforeAll(async () => {
    const { paths } = await describeApi();
    routes = Object.entries(paths).flatMap(([path, item]) =>
      Object.entries(item as Record<string, any>).map(([method, { responses }]) => ({
        ...{ method, path },
        codes: Object.values<any>(responses).flatMap(
          ({ content }) => Object.keys(content?.['application/problem+json']?.examples ?? {}) as ProblemCode[],
        ),
      })),
    );
    // Answers at the end of the test what the document does not tell of.
    api = await startTestApi(
      {
        lists: {
          listRuns: async ({ cursor }) => page(cursor),
          // Of steps and of runs the pages are alike, but for what a test of neither looks at.
          listSteps: async ({ cursor }) => page(cursor) as never,
          waitFor: async (position) => Number(position) < 999,
        },
        report: { readiness: { part: () => (isReady ? READY : notReady('not yet')) } },
      },
      log,
    );
    const archived = await begin('archived', 'wait=5');
    const archiver = new Archiver(log, systemClock, systemEntropy, silentLog, {
      ...{ folder, ageMs: -1_000, runsPerSecond: 1_000 },
    });
    await archiver.archiveDue(new AbortController().signal);
    await archiver.stop();
    ids.set('ARCHIVED', archived).set('ENDED', await begin('ended', 'wait=5'));
    ids.set('PARKED', await begin('parked', 'wait=5'));
    await breakStream(startRunId('start', 'default', 'welcome', 'parked'));
    api.owner.held.add('create-user');
    ids.set('HELD', await begin('held'));
    const document = { root: { type: 'pass' } };
    const body = { document, text: JSON.stringify(document), format: 'json' } as const;
    for (const name of ['plain', 'gone']) await api.catalogue.publish(name, body);
    await api.catalogue.archive('gone');
    await api.catalogue.saveDraft('welcome', body);
  });
  afterAll(async () => {
    log.trouble = 'none';
    await (stopped ?? api.stop());
    await log.stop();
    rmSync(folder, { recursive: true });
  });

  const page = (cursor: string | undefined) => {
    if (log.trouble === 'away') throw new Away('no answer');
    return cursor === undefined
      ? ({ status: 'page', items: '[]', nextCursor: null, position: 0 as Position } as const)
      : ({ status: 'bad-cursor' } as const);
  };

  const begin = async (key: string, prefer = ''): Promise<string> => {
    const response = await fetch(`${api.url}/v1/runs`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'idempotency-key': key, ...(prefer === '' ? {} : { prefer }) },
      body: '{"workflow":"welcome"}',
    });
    return ((await response.json()) as { id: string }).id;
  };

  /** An event that no version has written: whoever reads the run next finds that. */
  const breakStream = async (runId: RunId): Promise<void> => {
    const stream = runStream(runId);
    const expected = (await log.readStream(stream)).at(-1)!.revision;
    const envelope = { commandId: 'broken', recordedAt: '2026-01-01T00:00:00.000Z', actor: null, traceparent: null };
    const events = [{ type: 'StepEntered', v: 1, data: '{' }];
    await new Promise((settle) => log.append({ stream, expected, events, envelope }, settle));
  };

  let keys = 0;
  /** Asks a route, and notes with which problem it answers. */
  const ask = async ({ method, path }: (typeof routes)[number], asked: Asked): Promise<void> => {
    const query = asked.query ?? (path.includes('/payloads/') ? '?pointer=/input' : '');
    const takesBody = method === 'post' || method === 'put';
    // It was not meant, and would change what others are to find.
    if (asked.body !== undefined && !takesBody) return;
    const inPath = {
      name: 'welcome',
      id: 'HELD',
      version: '1',
      key: 'create-user',
      code: 'conflict',
      revision: '0',
      ...asked.path,
    };
    const url = path.replaceAll(/\{(\w+)\}/g, (_, name: 'id') => ids.get(inPath[name]) ?? inPath[name]);
    const headers = new Headers({
      'content-type': 'application/json',
      'idempotency-key': `k${++keys}`,
      ...asked.headers,
    });
    for (const [name, value] of [...headers]) if (value === '') headers.delete(name);
    const body =
      asked.body ?? (path === '/v1/runs' ? '{"workflow":"welcome"}' : path.endsWith('cancel') ? '{}' : DEFINITION);
    const response = await fetch(`${api.url}${url}${query}`, {
      ...{ method: method.toUpperCase(), headers },
      // The compiler's library knows fewer kinds of bodies than fetch takes.
      ...(takesBody ? { body: body as string } : {}),
    });
    const text = await response.text();
    if (response.headers.get('content-type')?.startsWith('application/problem+json') === true)
      seen.add(`${method} ${path} ${(JSON.parse(text) as { code: string }).code}`);
  };
  const DEFINITION = '{"root":{"type":"pass","comment":"another"}}';

  it('is answered at each route that it stands at, here or in the spec that is named', async () => {
    // Those that change what stands there come last, and of them those that take it away.
    const order = ['get', 'post', 'put', 'delete'];
    const inOrder = routes.toSorted((a, b) => order.indexOf(a.method) - order.indexOf(b.method));
    for (const route of inOrder)
      for (const code of route.codes) for (const asked of PROVOKED[code] ?? []) await ask(route, asked);
    isReady = false;
    for (const route of routes.filter(({ codes }) => codes.includes('not-ready'))) await ask(route, {});
    const streams = await openStreams(1_000);
    for (const route of routes.filter(({ codes }) => codes.includes('overloaded')))
      await ask(route, { headers: { accept: 'text/event-stream' } });
    for (const end of streams) end();
    log.trouble = 'full';
    for (const route of inOrder) if (!DRAFTS.includes(route.path) || route.method !== 'get') await ask(route, {});
    log.trouble = 'away';
    // What is not in memory is looked for in the log.
    const unknown = { path: { name: 'nobody', id: startRunId('start', 'default', 'welcome', 'nobody') } };
    await Promise.all(inOrder.flatMap((route) => [ask(route, {}), ask(route, unknown)]));
    log.trouble = 'none';
    seen.add(`post /v1/runs ${await startWhileStopping()}`);

    const told = routes.flatMap(({ method, path, codes }) => codes.map((code) => ({ of: `${method} ${path}`, code })));
    const unseen = told.filter(({ of, code }) => !(code in SHOWN_ELSEWHERE) && !seen.has(`${of} ${code}`));
    expect(unseen.map(({ of, code }) => `${of} ${code}`)).toEqual([]);
    const all = new Set(told.map(({ of, code }) => `${of} ${code}`));
    expect([...seen].filter((each) => !all.has(each))).toEqual([]);
  }, 60_000);

  it.each(Object.entries(SHOWN_ELSEWHERE))('is shown elsewhere where it is said to be: %s', (code, spec) => {
    const root = join(import.meta.dirname, '../../../../..');
    expect(readFileSync(join(root, spec), 'utf8')).toContain(`'${code}'`);
    expect(routes.some(({ codes }) => codes.includes(code as ProblemCode))).toBe(true);
  });

  /** Event streams that stay open until they are ended. */
  const openStreams = (count: number): Promise<readonly (() => void)[]> =>
    Promise.all(
      Array.from(
        { length: count },
        () =>
          new Promise<() => void>((resolve, reject) => {
            const headers = { accept: 'text/event-stream' };
            const sent = request(
              `${api.url}/v1/runs/${ids.get('HELD')}/events`,
              { agent: false, headers },
              (answer) => {
                answer.on('error', () => {}).resume();
                resolve(() => answer.destroy());
              },
            );
            sent.on('error', reject).end();
          }),
      ),
    );

  /** A start whose body comes when the server has begun to stop; gives the code that it is refused with. */
  const startWhileStopping = (): Promise<string> =>
    new Promise((resolve, reject) => {
      const body = '{"workflow":"welcome"}';
      const headers = { 'content-type': 'application/json', 'idempotency-key': 'late', 'content-length': body.length };
      const sent = request(`${api.url}/v1/runs`, { method: 'POST', agent: false, headers }, (answer) => {
        let text = '';
        answer.on('data', (chunk) => (text += String(chunk)));
        answer.on('end', () => resolve((JSON.parse(text) as { code: string }).code));
      });
      sent.on('error', reject);
      api.adapter.closing.signal.addEventListener('abort', () => sent.end(body.slice(1)));
      api.adapter.getHttpServer().once('request', () => (stopped = api.stop()));
      sent.write(body.slice(0, 1));
    });
});
