import { expect, it } from '@jest/globals';
import { encodeRunEvent, MemoryEventStore, runStream, type NewEvent, type Revision } from '#event-store';
import { runIdOf } from '../../engine/src/testing/engine-world.js';
import { appendRun } from '../../engine/src/testing/finished-runs.js';
import { inspectRun, runLines } from './archived-run.js';

const AT = '2026-01-01T00:00:00.000Z';
const STREAM = runStream(runIdOf('a'));
const GO_ON = new AbortController().signal;
/** What an adapter shows of somebody else's. */
const foreign = encodeRunEvent({ type: 'Foreign', eventType: 'Remark', bytes: 2, content: {} });

const put = (store: MemoryEventStore, expected: number, event: NewEvent): Promise<unknown> =>
  new Promise((settle) =>
    store.append(
      {
        stream: STREAM,
        expected: expected as Revision,
        events: [event],
        envelope: { commandId: `${expected}`, recordedAt: AT, actor: null, traceparent: null },
      },
      settle,
    ),
  );

it('has ended though somebody else has put something behind its end, and is archived with that', async () => {
  const store = new MemoryEventStore();
  await appendRun(store, 'a', { at: AT });
  await put(store, 3, foreign);
  const inspected = await inspectRun(store, STREAM, GO_ON);
  if (inspected.status !== 'finished') throw new Error(`it is ${inspected.status}`);
  expect(inspected.run).toMatchObject({ status: 'completed', revision: 4 });
  const lines: string[] = [];
  for await (const line of runLines(store, inspected, GO_ON)) lines.push(line);
  expect(lines.map((line) => (JSON.parse(line) as { readonly type?: string }).type)).toEqual([
    undefined,
    'RunStarted',
    'AttemptSucceeded',
    'AttemptSucceeded',
    'RunCompleted',
    'Foreign',
  ]);
});

it('is archived though somebody else has put something behind its stub', async () => {
  const store = new MemoryEventStore();
  await put(store, -1, { type: 'RunArchived', v: 1, data: '{}' });
  await put(store, 0, foreign);
  expect(await inspectRun(store, STREAM, GO_ON)).toEqual({ status: 'archived', stub: null });
});
