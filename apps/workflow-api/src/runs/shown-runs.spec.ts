import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { NOBODY, type RunId } from '#engine';
import { startTestApi, type TestApi } from '../../testing/test-api.js';
import { RunHistories } from './run-histories.js';
import { startRunId } from './run-id.js';
import { ShownRuns, type ShownRun } from './shown-runs.js';

let api: TestApi;
let shown: ShownRuns;
beforeAll(async () => {
  api = await startTestApi();
  shown = api.app.get(ShownRuns);
});
afterAll(() => api.stop());

let keys = 0;
const start = async (headers: Record<string, string> = {}): Promise<RunId> => {
  const key = `key-${++keys}`;
  await fetch(`${api.url}/v1/runs`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'idempotency-key': key, ...headers },
    body: '{"workflow":"welcome"}',
  });
  return startRunId('start', 'default', 'welcome', key);
};
const stateOf = ({ history, waits }: ShownRun) => [history.status, history.revision, waits.length];

describe('runs that are shown', () => {
  it('are of one revision, though the run moves on while its history is read', async () => {
    api.owner.grants = false;
    const id = await start();
    const histories = api.app.get(RunHistories);
    const show = histories.show.bind(histories);
    // Once it is known what the run waits for, and before its history is read.
    histories.show = async (...asked) => {
      Reflect.deleteProperty(histories, 'show');
      await api.engine.cancel(id, 'meanwhile', NOBODY);
      return show(...asked) as never;
    };
    expect(await shown.byId(id, stateOf)).toEqual(['running', 1, 1]);
    api.owner.grants = true;
    expect(await shown.byId(id, stateOf)).toEqual(['cancelled', 3, 0]);
  });

  it('are loaded again when others have been shown more of them meanwhile', async () => {
    api.owner.grants = false;
    const id = await start();
    const loaded = (await api.engine.load(id))!;
    const { revision } = loaded;
    const first = shown.of({ ...loaded, revision: (revision - 1) as typeof revision }, stateOf);
    expect(await shown.byId(id, stateOf)).toEqual(['running', 1, 1]);
    expect((await first)[0]).toBe('running');
    await shown.byId(id, stateOf);
    expect(await shown.of({ ...loaded, revision: (revision - 1) as typeof revision }, stateOf)).toEqual([
      'running',
      1,
      1,
    ]);
    await api.engine.cancel(id, null, NOBODY);
    api.owner.grants = true;
  });

  it('are not loaded by the engine once they have ended, and show what came after their end', async () => {
    const id = await start({ prefer: 'wait=20' });
    await shown.byId(id, stateOf);
    const load = api.engine.load.bind(api.engine);
    let loads = 0;
    api.engine.load = (...asked) => {
      loads += 1;
      return load(...asked);
    };
    try {
      const before = await shown.byId(id, ({ history }) => history.duplicates.count);
      await new Promise((done) =>
        api.engine.submit(id, { type: 'NoteDuplicateStarts', count: 2, refused: 0, last: true }, NOBODY, done),
      );
      const after = await shown.byId(id, ({ history }) => history.duplicates.count);
      expect([before, after, loads]).toEqual([0, 2, 0]);
    } finally {
      Reflect.deleteProperty(api.engine, 'load');
    }
  });

  it('are not read as a whole for each page of their events and each payload, once they have ended', async () => {
    const id = await start({ prefer: 'wait=20' });
    const { revision } = (await api.engine.load(id))!;
    const page = (from: number) => fetch(`${api.url}/v1/runs/${id}/events?limit=1&from=${from}`);
    expect(((await (await page(0)).json()) as any).items[0].type).toBe('RunStarted');
    const readPages = api.store.readPages.bind(api.store);
    const reads: (number | undefined)[] = [];
    api.store.readPages = (stream, options) => {
      reads.push(options?.from);
      return readPages(stream, options);
    };
    try {
      expect(((await (await page(revision)).json()) as any).items[0].type).toBe('RunCompleted');
      expect(await (await fetch(`${api.url}/v1/runs/${id}/payloads/0?pointer=/input`)).json()).toBe(null);
      const resumed = await fetch(`${api.url}/v1/runs/${id}/events`, {
        headers: { accept: 'text/event-stream', 'last-event-id': String(revision) },
      });
      expect(resumed.status).toBe(204);
      expect(reads).toEqual([revision + 1, revision + 1, revision + 1]);
    } finally {
      Reflect.deleteProperty(api.store, 'readPages');
    }
  });
});
