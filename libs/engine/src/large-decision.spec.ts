import { afterEach, describe, expect, it } from '@jest/globals';
import type { JsonText, Plan } from '#domain';
import {
  newEngine,
  NOBODY,
  POLICIES,
  Recorder,
  runIdOf,
  stepNode,
  stopEngines,
  TwistedStore,
  typesOf,
} from './testing/engine-world.js';
import { historyIn } from './testing/history-in.js';

afterEach(stopEngines);

const KIB = 1024;
const text = (bytes: number): JsonText => JSON.stringify('x'.repeat(bytes)) as JsonText;
const planWith = (output: JsonText | null): Plan => ({
  v: 1,
  output: null,
  timeoutMs: null,
  scopes: [{ entry: 0, container: null, slot: null }],
  policies: POLICIES,
  nodes: [{ ...stepNode(0, 0, 1), output } as Plan['nodes'][number], stepNode(1, 0, null)],
});

describe('a decision that no append holds', () => {
  const complete = (engine: Awaited<ReturnType<typeof newEngine>>['engine'], output: JsonText) =>
    new Promise((done) =>
      engine.submit(
        runIdOf('a'),
        { type: 'CompleteAttempt', step: 's0', attempt: 1, status: 200, output },
        NOBODY,
        done,
      ),
    );

  it('fails the attempt by name when it is an answer, and is not asked for again', async () => {
    const store = new TwistedStore();
    const { engine, begin } = await newEngine(new Recorder(), store, { plan: planWith(text(400 * KIB)) });
    await begin('a');
    expect(await complete(engine, text(400 * KIB))).toMatchObject({ status: 'accepted', changed: true });
    const loaded = await engine.load(runIdOf('a'));
    expect(loaded?.run).toMatchObject({ status: 'failed', error: { name: 'Stepwell.PayloadTooLarge' } });
    expect(await typesOf(store, 'a')).toContain('AttemptFailed');
  });

  it('is one append as long as it fits', async () => {
    const store = new TwistedStore();
    const { engine, begin } = await newEngine(new Recorder(), store, { plan: planWith(text(376 * KIB)) });
    await begin('a');
    expect(await complete(engine, text(376 * KIB))).toMatchObject({ status: 'accepted', changed: true });
    expect((await historyIn(store, runIdOf('a'))).steps.get('s0')?.status).toBe('completed');
  });

  it('refuses a start, of which nothing is in the log then', async () => {
    const store = new TwistedStore();
    const { engine, begin } = await newEngine(new Recorder(), store, { plan: planWith(null) });
    const reply = await begin('a', { input: text(400 * KIB), variables: text(400 * KIB) });
    expect(reply).toEqual({ status: 'rejected', rejection: { code: 'too-large' } });
    expect(await typesOf(store, 'a')).toEqual([]);
    expect(await engine.load(runIdOf('a'))).toBeNull();
    expect(await begin('a')).toMatchObject({ status: 'started' });
  });
});
