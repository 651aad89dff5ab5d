import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { JsonText, RunEvent } from '#domain';
import { encodeRunEvent, runStream, SqliteEventStore, type AppendOutcome } from '#event-store';
import { completed as done, entering } from '../../domain/src/testing/run-facts.js';
import { parallel, planOf, step } from '../../domain/src/testing/tree-plans.js';
import { newEngine, NOBODY, Recorder, runIdOf, stopEngines } from './testing/engine-world.js';

const PLAN = planOf(parallel({ name: 'p' }, step('a'), step('b')));
const A = runIdOf('a');

let folder = '';
let store: SqliteEventStore;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'stepwell-changed-'));
  store = new SqliteEventStore({
    folder,
    onFatal: (error) => {
      throw error;
    },
  });
});
afterEach(async () => {
  await stopEngines();
  await store.stop();
  await rm(folder, { recursive: true });
});

/** What somebody writes into a stream by hand, as the next events of it. */
const writeByHand = async (...events: readonly RunEvent[]): Promise<void> => {
  const stream = runStream(A);
  const expected = (await store.readStream(stream)).at(-1)!.revision;
  const envelope = { commandId: 'by hand', recordedAt: '2026-01-01T00:00:00.000Z', actor: null, traceparent: null };
  const outcome = await new Promise<AppendOutcome>((settle) =>
    store.append({ stream, expected, events: events.map(encodeRunEvent), envelope }, settle),
  );
  expect(outcome.status).toBe('appended');
};

const entered = (key: string, parent: string | null, slot: number | null): RunEvent => ({
  ...entering(PLAN)('p.a'),
  ...{ step: key, parent, slot },
});
const completed = (revision: number, pointer: string): RunEvent => done('p.a', { revision, pointer }, true);

describe('a stream in the real store that somebody has changed by hand', () => {
  it.each<[string, RunEvent]>([
    ['the payload /output of revision 99 is missing', completed(99, '/output')],
    ['the payload /output of revision 0 is missing', completed(0, '/output')],
    ['the payload /input/nobody of revision 0 is missing', completed(0, '/input/nobody')],
    [
      'the payload /output of revision 7 is missing',
      { type: 'RunCompleted', output: { revision: 7, pointer: '/output' }, mapped: null },
    ],
    ['scope nobody#0, where nobody.a is entered, is missing', entered('nobody.a', 'nobody', 0)],
    ['scope p#7, where p.x is entered, is missing', entered('p.x', 'p', 7)],
  ])('stops its run, by name: %s', async (reason, event) => {
    const before = await newEngine(new Recorder(), store, { plan: PLAN });
    for (const key of ['a', 'b']) await before.begin(key);
    await before.engine.stop();
    await writeByHand(event);
    const length = (await store.readStream(runStream(A))).length;
    const { engine } = await newEngine(new Recorder(), store, { plan: PLAN });
    const submit = (key: string) =>
      new Promise((done) =>
        engine.submit(
          runIdOf(key),
          { type: 'CompleteAttempt', step: 'p.b', attempt: 1, status: 200, output: '1' as JsonText },
          NOBODY,
          done,
        ),
      );
    for (let again = 0; again < 2; again++)
      expect(await submit('a')).toMatchObject({ status: 'unavailable', cause: { code: 'run-parked' } });
    await expect(engine.load(A)).rejects.toMatchObject({ code: 'run-parked' });
    expect(engine.parked(A)?.reason).toContain(reason);
    // Nothing is decided on a guess, and others go on.
    expect(await store.readStream(runStream(A))).toHaveLength(length);
    expect(await submit('b')).toMatchObject({ status: 'accepted' });
    expect([engine.counts.runsParked(), engine.parked(runIdOf('b'))]).toEqual([1, null]);
  });
});
