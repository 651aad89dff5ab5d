import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { MemoryEventStore, type Append, type AppendOutcome } from '#event-store';
import { silentLog, type Log, type LogFields } from '#runtime';
import { eventually, pause } from '../../../../test/support/pause.js';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { startTestApi, type TestApi } from '../../testing/test-api.js';

class AwayLog extends MemoryEventStore {
  /** `away`: says at once that the outcome is unknown. `silent`: says nothing. */
  state: 'there' | 'away' | 'silent' = 'there';
  private readonly held: (() => void)[] = [];

  override append(append: Append, settle: (outcome: AppendOutcome) => void): void {
    const unknown = (): void => settle({ status: 'unknown', cause: new Error('connection refused') });
    if (this.state === 'there') super.append(append, settle);
    else if (this.state === 'away') setImmediate(unknown);
    else this.held.push(unknown);
  }

  isBack(): void {
    this.state = 'there';
    for (const settle of this.held.splice(0)) settle();
  }
}

/** Names a call in its request. */
const CALL = 'x-test-call';

describe('the API while the log does not answer', () => {
  const store = new AwayLog();
  const lines: LogFields[] = [];
  const said = (_message: string, fields: LogFields = {}): void => void lines.push(fields);
  const log: Log = { ...silentLog, info: said, warn: said, error: said };
  let api: TestApi;
  /** How long the server took for each call, from its arrival until its answer was written. */
  const served = new Map<string, Promise<number>>();
  let calls = 0;
  beforeAll(async () => {
    api = await startTestApi({ log }, store);
    api.owner.held.add('create-user');
    // Ahead of all that serves it: how long a client takes to send and to read is no part of what is measured.
    api.app.getHttpServer().prependListener('request', (request: IncomingMessage, response: ServerResponse) => {
      const fromMs = performance.now();
      const took = new Promise<number>((resolve) => response.once('finish', () => resolve(performance.now() - fromMs)));
      served.set(String(request.headers[CALL]), took);
    });
  });
  afterAll(async () => {
    store.isBack();
    await api.stop();
  });

  const call = async (method: string, path: string, body?: unknown, headers: Record<string, string> = {}) => {
    const name = `${++calls}`;
    const response = await fetch(`${api.url}${path}`, {
      method,
      headers: { 'content-type': 'application/json', [CALL]: name, ...headers },
      ...(body === undefined ? undefined : { body: JSON.stringify(body) }),
    });
    const { code } = (await response.json()) as { readonly code?: string };
    const afterMs = (await served.get(name))!;
    return { status: response.status, code, retryAfter: response.headers.get('retry-after'), afterMs };
  };
  const start = (key: string, prefer = '', body: unknown = { workflow: 'welcome' }) =>
    call('POST', '/v1/runs', body, { 'idempotency-key': key, ...(prefer === '' ? undefined : { prefer }) });

  it('answers 503 with Retry-After after 5 s, after N with wait=N, lives on, and goes on by itself', async () => {
    const { id } = await started('there');
    store.state = 'away';
    const inline = { definition: { root: { type: 'pass', output: 1 } } };
    const asked = [
      ...Array.from({ length: 200 }, (_, index) => start(`${index}`)),
      start('long', 'wait=30'),
      start('inline', '', inline),
      call('POST', `/v1/runs/${id}/cancel`, {}),
      call('PUT', '/v1/workflows/new', inline.definition),
    ];
    const short = [start('short', 'wait=0'), start('shorter', 'wait=2')];
    const livesMs: number[] = [];
    for (let second = 0; second < 10; second++) {
      const sinceMs = performance.now();
      await call('GET', '/livez');
      livesMs.push(performance.now() - sinceMs);
      await pause(500);
    }
    for (const answer of [...(await Promise.all(asked)), ...(await Promise.all(short))])
      expect(answer).toMatchObject({ status: 503, code: 'storage-unavailable', retryAfter: '1' });
    for (const { afterMs } of await Promise.all(asked)) {
      // What is not of a run gives up before a pause that would end later.
      expect(afterMs).toBeGreaterThan(3_900);
      expect(afterMs).toBeLessThan(8_000);
    }
    const [least, two] = (await Promise.all(short)).map(({ afterMs }) => afterMs);
    expect([Math.round(least! / 1_000), Math.round(two! / 1_000)]).toEqual([1, 2]);
    expect(Math.max(...livesMs)).toBeLessThan(250);
    expect(lines.filter((fields) => 'err' in fields)).toEqual([]);
    expect(lines.length).toBeLessThan(20);
    store.isBack();
    await eventually('a start', async () => ((await start('again')).status === 201 ? true : null), 15_000);
  }, 40_000);

  it('answers after N who waits for a run that was started while there was a log', async () => {
    await started('before');
    store.state = 'silent';
    // Known here; that it was started again is being recorded, for ever.
    const answer = await start('before', 'wait=1');
    expect(answer).toMatchObject({ status: 503, code: 'storage-unavailable', retryAfter: '1' });
    expect(answer.afterMs).toBeGreaterThan(1_000);
    expect(answer.afterMs).toBeLessThan(3_500);
    store.isBack();
    await eventually('the run', async () => ((await start('before', 'wait=1')).status === 202 ? true : null), 15_000);
  }, 20_000);

  const started = async (key: string): Promise<{ readonly id: string }> => {
    const response = await fetch(`${api.url}/v1/runs`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'idempotency-key': key },
      body: '{"workflow":"welcome"}',
    });
    return (await response.json()) as { readonly id: string };
  };
});
