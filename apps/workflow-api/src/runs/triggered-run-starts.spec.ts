import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Runs } from '#engine';
import { runStream } from '#event-store';
import { loadConfig, silentLog } from '#runtime';
import { startTestApi, type TestApi } from '../../testing/test-api.js';
import { CataloguePlans } from '../workflows/catalogue-plans.js';
import { TriggeredRunStarts } from './triggered-run-starts.js';

const { limits } = loadConfig({});
const BODY_BYTES_MAX = 1_000_000;
const TRACEPARENT = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';

let api: TestApi;
let starts: TriggeredRunStarts;
const startsOver = (runs: Runs): TriggeredRunStarts =>
  new TriggeredRunStarts(
    {
      runs,
      plans: new CataloguePlans(api.catalogue, { limits }),
      log: silentLog,
      limits,
    },
    BODY_BYTES_MAX,
  );
beforeAll(async () => {
  api = await startTestApi();
  starts = startsOver(api.engine);
});
afterAll(() => api.stop());

const message = (body: unknown, key: string, actor = 'kafka:orders') => ({
  body: Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)),
  key,
  traceparent: TRACEPARENT,
  actor,
});
const welcome = (input: unknown) => ({ workflow: 'welcome', input });
const startEvent = async (id: string) => (await api.store.readStream(runStream(id)))[0];

describe('TriggeredRunStarts', () => {
  it('starts the run that the same body would start by HTTP, under an id of its own kind', async () => {
    const outcome = await starts.start(message(welcome({ a: 1 }), 'orders-0-17'));
    if (outcome.status !== 'started') throw new Error(JSON.stringify(outcome));
    const event = await startEvent(outcome.id);
    expect(event).toMatchObject({ type: 'RunStarted', traceparent: TRACEPARENT, actor: 'kafka:orders' });
    expect(JSON.parse(event!.data)).toMatchObject({
      id: outcome.id,
      key: 'orders-0-17',
      workflow: 'welcome',
      input: { a: 1 },
    });
    const response = await fetch(`${api.url}/v1/runs`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'idempotency-key': 'orders-0-17' },
      body: JSON.stringify(welcome({ a: 1 })),
    });
    const byHttp = (await response.json()) as { id: string };
    expect([response.status, response.headers.get('idempotent-replayed')]).toEqual([201, null]);
    expect(byHttp.id).not.toBe(outcome.id);
  });

  it('refuses who cannot be named in an event, as POST /v1/runs does', async () => {
    expect(await starts.start(message(welcome(1), 'of-nobody', 'two words'))).toMatchObject({
      status: 'refused',
      code: 'validation-failed',
      detail: expect.stringContaining('Stepwell-Actor'),
    });
  });

  it('makes one run of messages with one key, also at the same moment, and refuses another payload', async () => {
    const same = await Promise.all(Array.from({ length: 20 }, () => starts.start(message(welcome(1), 'twice'))));
    expect(same.filter(({ status }) => status === 'started')).toHaveLength(1);
    expect(same.filter(({ status }) => status === 'replayed')).toHaveLength(19);
    expect(await starts.start(message(welcome(2), 'twice'))).toMatchObject({
      status: 'refused',
      code: 'idempotency-key-reused',
    });
  });

  it.each([
    ['malformed-json', '{not json', 'k'],
    ['duplicate-key', '{"workflow":"welcome","workflow":"other"}', 'k'],
    ['validation-failed', { workflow: 'welcome', colour: 'red' }, 'k'],
    ['workflow-not-found', { workflow: 'nobody' }, 'k'],
    ['invalid-definition', { definition: { root: { type: 'what' } } }, 'k'],
    ['payload-too-large', welcome('x'.repeat(limits.payloadMaxBytes)), 'k'],
    ['payload-too-large', welcome('x'.repeat(BODY_BYTES_MAX)), 'k'],
    ['idempotency-key-invalid', welcome(1), 'k k'],
    ['idempotency-key-invalid', welcome(1), ''],
  ])('refuses for good: %s', async (code, body, key) => {
    expect(await starts.start(message(body, key))).toEqual({
      status: 'refused',
      code,
      detail: expect.stringMatching(/\w/),
    });
  });

  it('answers for a start that was accepted once, also when its workflow is archived by now', async () => {
    const text = JSON.stringify({ root: { type: 'pass', name: 'only' } });
    await api.catalogue.publish('fleeting', { document: JSON.parse(text), text, format: 'json' });
    const first = await starts.start(message({ workflow: 'fleeting' }, 'fleeting'));
    await api.catalogue.archive('fleeting');
    const again = await starts.start(message({ workflow: 'fleeting' }, 'fleeting'));
    expect([first.status, again.status]).toEqual(['started', 'replayed']);
    expect(await starts.start(message({ workflow: 'fleeting' }, 'fresh'))).toMatchObject({
      status: 'refused',
      code: 'workflow-archived',
    });
  });

  it('wants a start repeated whose append has no known outcome', async () => {
    const away = startsOver({
      start: (_id: unknown, _command: unknown, _plan: unknown, _origin: unknown, settle: (reply: unknown) => void) =>
        settle({ status: 'unavailable', cause: new Error('away') }),
    } as unknown as Runs);
    expect(await away.start(message(welcome(1), 'away'))).toMatchObject({ status: 'unavailable' });
  });
});
