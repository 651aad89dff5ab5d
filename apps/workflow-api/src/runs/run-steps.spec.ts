import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { JsonText, RunHistory } from '#domain';
import type { RunId } from '#engine';
import { startTestApi, type TestApi } from '../../testing/test-api.js';
import { PayloadTexts } from './payload-json.js';
import { RunHistories } from './run-histories.js';
import { ShownRuns } from './shown-runs.js';
import { stepsMembers, stepTree } from './step-json.js';

let api: TestApi;
beforeAll(async () => {
  api = await startTestApi();
});
afterAll(() => api.stop());
afterEach(() => {
  api.owner.held.clear();
  api.owner.grants = true;
  Reflect.deleteProperty(api.app.get(RunHistories), 'show');
});

let keys = 0;
const start = async (definition: object, prefer = 'wait=20'): Promise<any> => {
  const response = await fetch(`${api.url}/v1/runs`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'idempotency-key': `key-${++keys}`, prefer },
    body: JSON.stringify({ definition: { target: 'http://127.0.0.1:4000', ...definition } }),
  });
  return response.json();
};
const get = async (path: string): Promise<any> => (await fetch(`${api.url}${path}`)).json();

/** All pages, from a cursor on. */
const rest = async (path: string, cursor: string | null): Promise<any[]> => {
  const items = [];
  for (let next = cursor; next !== null;) {
    const page = await get(`${path}${path.includes('?') ? '&' : '?'}cursor=${next}`);
    expect(page.items.length).toBeGreaterThan(0);
    items.push(...page.items);
    next = page.nextCursor;
  }
  return items;
};

const names = (count: number): readonly string[] => Array.from({ length: count }, (_, index) => `n${index}`);
const passes = (count: number) => names(count).map((name) => ({ type: 'pass', name }));
const steps = (count: number) => names(count).map((name) => ({ type: 'step', name, url: '/x' }));
const keysOf = (items: readonly any[]): readonly string[] => items.map(({ key }) => key);

describe('a run of many steps', () => {
  it('is shown with the first 100 of each container, how many there are, and where the others are', async () => {
    const many = { type: 'parallel', name: 'many', branches: passes(250) };
    const run = await start({ root: { type: 'sequence', steps: [...passes(120), many] } });
    expect([run.status, run.steps.length, run.stepsTotal]).toEqual(['completed', 100, 121]);
    const others = await rest(`/v1/runs/${run.id}/steps`, run.stepsCursor);
    expect(keysOf([...run.steps, ...others])).toEqual([...names(120), 'many']);
    const [shown] = others.slice(-1);
    expect([shown.steps.length, shown.stepsTotal]).toEqual([100, 250]);
    const below = await rest(`/v1/runs/${run.id}/steps?below=many&limit=60`, shown.stepsCursor);
    expect(keysOf([...shown.steps, ...below])).toEqual(names(250).map((name) => `many.${name}`));
    expect(below[0]).toEqual(await get(`/v1/runs/${run.id}/steps/many.n100`));
    expect(await get(`/v1/runs/${run.id}/steps/many`)).toMatchObject({
      stepsTotal: 250,
      stepsCursor: shown.stepsCursor,
    });
  });

  it('has its pages in the order of its document, though the steps of its branches were entered in another', async () => {
    const branches = names(60).map((name) => ({
      type: 'sequence',
      steps: ['a', 'b'].map((half) => ({ type: 'step', name: `${name}${half}`, url: '/x' })),
    }));
    const run = await start({ root: { type: 'parallel', name: 'p', branches } });
    const [{ steps: shown, stepsTotal, stepsCursor }] = run.steps;
    expect([run.status, stepsTotal]).toEqual(['completed', 120]);
    const others = await rest(`/v1/runs/${run.id}/steps?below=p`, stepsCursor);
    const inOrder = names(60).flatMap((name) => [`p.${name}a`, `p.${name}b`]);
    expect(keysOf([...shown, ...others])).toEqual(inOrder);
    const slim = await get(`/v1/runs/${run.id}?view=slim`);
    expect(keysOf(slim.steps[0].steps)).not.toEqual(inOrder.slice(0, 100));
  });

  it('has no room for what is in its last step, and says where that begins', async () => {
    const run = await start({ root: { type: 'parallel', name: 'p', branches: passes(3) } });
    const text = await api.app.get(ShownRuns).byId(run.id, (shown) => {
      const tree = stepTree(shown, 'full', new PayloadTexts('full', run.id));
      tree.charsLeft = 1;
      return stepsMembers(null, tree);
    });
    const [last] = JSON.parse(`{${text}}`).steps;
    expect(last).toMatchObject({ key: 'p', steps: [], stepsTotal: 3, stepsCursor: 'full-0' });
    expect(keysOf(await rest(`/v1/runs/${run.id}/steps?below=p`, last.stepsCursor))).toEqual(['p.n0', 'p.n1', 'p.n2']);
  });

  it('is shown whole when it has no more', async () => {
    const run = await start({ root: { type: 'parallel', name: 'p', branches: passes(100) } });
    expect(run).toMatchObject({ stepsTotal: 1, stepsCursor: null, waitingTotal: 0 });
    expect(run.steps[0]).toMatchObject({ stepsTotal: 100, stepsCursor: null });
    expect(run.steps[0].steps[99]).toMatchObject({ key: 'p.n99', stepsTotal: 0, stepsCursor: null, steps: [] });
    const page = await get(`/v1/runs/${run.id}/steps?below=p&limit=100`);
    expect([page.items.length, page.nextCursor]).toEqual([100, null]);
  });

  it('has its pages in the order of its view, each step once, though steps are entered between two pages', async () => {
    api.owner.held.add('n1');
    const { id } = await start({ root: { type: 'sequence', steps: steps(150) } }, 'wait=0');
    const path = `/v1/runs/${id}/steps`;
    const first = await get(`${path}?limit=3`);
    expect(first.items.map(({ status }: any) => status)).toEqual(['completed', 'running', 'pending']);
    const slim = await get(`${path}?limit=1&view=slim`);
    expect([keysOf(slim.items), slim.items[0].output]).toEqual([['n0'], null]);
    expect((await get(`/v1/runs/${id}`)).stepsTotal).toBe(150);
    expect((await get(`/v1/runs/${id}?view=slim`)).stepsTotal).toBe(2);
    api.owner.held.clear();
    api.engine.submit(
      id,
      { type: 'CompleteAttempt', step: 'n1', attempt: 1, status: 200, output: '1' as JsonText },
      { actor: null, traceparent: null },
      null,
    );
    await new Promise<unknown>((ended) => api.engine.whenEnded(id as RunId, ended));
    const others = await rest(`${path}?limit=1000`, first.nextCursor);
    expect(keysOf([...first.items, ...others])).toEqual(names(150));
    expect(others.at(-1).status).toBe('completed');
    const slimOthers = await rest(`${path}?view=slim&limit=70`, slim.nextCursor);
    expect(keysOf([...slim.items, ...slimOthers])).toEqual(names(150));
  });

  it('lists nodes that are not reached by the first 100 of each, without a cursor', async () => {
    api.owner.held.add('first');
    const later = { type: 'parallel', name: 'later', branches: passes(130) };
    const first = { type: 'step', name: 'first', url: '/x' };
    const run = await start({ root: { type: 'sequence', steps: [first, later] } }, 'wait=0');
    const [, shown] = run.steps;
    expect([shown.status, shown.steps.length, shown.stepsTotal, shown.stepsCursor]).toEqual([
      'pending',
      100,
      130,
      null,
    ]);
  });

  it('shows of what its steps wait for the first 100, and how many wait', async () => {
    api.owner.grants = false;
    const run = await start({ root: { type: 'parallel', name: 'p', branches: steps(130) } }, 'wait=0');
    expect([run.waiting.length, run.waitingTotal]).toEqual([100, 130]);
  });

  it('shows as many of its steps as fit into one answer, and the others by pages, however long they are', async () => {
    const { id } = await start({ root: { type: 'pass', name: 'p' } });
    const histories = api.app.get(RunHistories);
    const show = histories.show.bind(histories);
    histories.show = (runId, revision, make) =>
      show(runId, revision, (history, position) => make(deep(history), position));
    const run = await get(`/v1/runs/${id}`);
    const text = JSON.stringify(run);
    expect(text.length).toBeGreaterThan(8_000_000);
    expect(text.length).toBeLessThan(9_000_000);
    expect(run.steps.length).toBeLessThan(100);
    expect(run.stepsTotal).toBe(100);
    const last = run.steps.at(-1);
    expect([last.steps.length < 30, last.stepsTotal]).toEqual([true, 30]);
    const path = `/v1/runs/${id}/steps`;
    const keyed = new Set(keysOf([...run.steps, ...(await rest(`${path}?limit=100`, run.stepsCursor))]));
    expect(keyed.size).toBe(100);
    const below = await rest(`${path}?below=${last.key}`, last.stepsCursor ?? 'full-1');
    expect(below.at(-1).key).toBe(`${last.key}.29`);
  }, 30_000);

  /** 100 containers of 30 steps each, with payloads that just are not cut. */
  const deep = (history: RunHistory): RunHistory => {
    const step = history.steps.get('p')!;
    const longer = (key: string) => {
      const text = `"${key}${'x'.repeat(16_000)}"` as JsonText;
      return { ...step, key, input: { revision: 0, pointer: `/input/${key}` as '/input', text }, output: null };
    };
    const children = names(100).map((key) => ({
      ...longer(key),
      kind: 'parallel' as const,
      children: Array.from({ length: 30 }, (_, index) => longer(`${key}.${index}`)),
    }));
    const all = children.flatMap((child) => [child, ...child.children]);
    return { ...history, children, steps: new Map(all.map((child) => [child.key, child])) };
  };
});

describe('GET /v1/runs/{id}/steps', () => {
  it.each(['nope', 'slim-1', 'full-', 'full--1', 'full-01', 'full-1234567890'])(
    'refuses the cursor %s',
    async (cursor) => {
      const { id } = await start({ root: { type: 'pass' } });
      const refused = await get(`/v1/runs/${id}/steps?cursor=${cursor}`);
      expect([refused.status, refused.code, refused.errors[0].pointer]).toEqual([400, 'cursor-invalid', 'cursor']);
    },
  );

  it('gives nothing past the end', async () => {
    const { id } = await start({ root: { type: 'pass' } });
    expect(await get(`/v1/runs/${id}/steps?cursor=full-7`)).toEqual({ items: [], nextCursor: null });
  });

  it('says which container it does not know, or the run has not reached', async () => {
    api.owner.held.add('first');
    const later = { type: 'parallel', name: 'later', branches: passes(2) };
    const first = { type: 'step', name: 'first', url: '/x' };
    const { id } = await start({ root: { type: 'sequence', steps: [first, later] } }, 'wait=0');
    const unknown = await get(`/v1/runs/${id}/steps?below=latr`);
    const detail = 'The run has no step "latr". Did you mean "later"?';
    expect(unknown).toMatchObject({ code: 'step-not-found', detail, errors: [{ pointer: 'below', detail }] });
    const pending = await get(`/v1/runs/${id}/steps?below=later`);
    expect(pending).toMatchObject({ status: 404, code: 'step-not-reached', errors: [{ pointer: 'below' }] });
    expect(await get(`/v1/runs/${id}/steps?below=first`)).toEqual({ items: [], nextCursor: null });
  });
});
