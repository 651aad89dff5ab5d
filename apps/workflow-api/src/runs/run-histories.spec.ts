import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { foldHistory, type HistoryState, type JsonText, type RunEvent, type RunHistory } from '#domain';
import type { RunId } from '#engine';
import {
  decodeRunEvent,
  encodeRunEvent,
  MemoryEventStore,
  NO_STREAM,
  runStream,
  type AppendOutcome,
  type Revision,
} from '#event-store';
import { systemClock, type Clock } from '#runtime';
import { startRunId } from './run-id.js';
import { RunHistories } from './run-histories.js';

/** Notes from which revision on a stream is read. */
class NotingStore extends MemoryEventStore {
  readonly reads: number[] = [];
  fault: Error | null = null;

  override async *readPages(...[stream, options]: Parameters<MemoryEventStore['readPages']>) {
    this.reads.push(options?.from ?? 0);
    for await (const page of super.readPages(stream, options)) {
      yield page.slice(0, 1);
      if (this.fault !== null) throw this.fault;
      yield page.slice(1);
    }
  }
}

const idOf = (name: string): RunId => startRunId('start', 'default', name, 'k');
const AT = '2026-01-01T00:00:00.000Z';
const started = (id: RunId, input = '1'): RunEvent => ({
  ...{ type: 'RunStarted', id, key: 'k', workflow: 'w', version: 1, plan: 'p', namespace: 'default', queue: 'default' },
  ...{ tags: {}, correlationId: null, requestor: null, fingerprint: 'f', fromStep: null, timeoutAt: null },
  ...{ variables: '{}' as JsonText, input: input as JsonText },
});
const SEEN: RunEvent = { type: 'DuplicateStartsSeen', count: 1, refused: 0 };
const CANCELLED: RunEvent = { type: 'RunCancelled', reason: null };

const timers: { readonly ms: number; readonly call: () => void }[] = [];
const clock: Clock = {
  ...systemClock,
  after: (ms, call) => {
    const timer = { ms, call };
    timers.push(timer);
    return () => {
      if (timers.includes(timer)) timers.splice(timers.indexOf(timer), 1);
    };
  },
};

let store: NotingStore;
let histories: RunHistories;
beforeEach(async () => {
  store = new NotingStore();
  await store.start();
  timers.length = 0;
  histories = new RunHistories(store, clock);
});
afterEach(() => store.stop());

let commands = 0;
const append = async (id: RunId, ...events: readonly RunEvent[]): Promise<void> => {
  const stream = runStream(id);
  const revision = (await store.readStream(stream)).at(-1)?.revision ?? NO_STREAM;
  const outcome = await new Promise<AppendOutcome>((settle) =>
    store.append(
      {
        ...{ stream, expected: revision as Revision, events: events.map(encodeRunEvent) },
        envelope: { commandId: String(++commands), recordedAt: AT, actor: null, traceparent: null },
      },
      settle,
    ),
  );
  expect(outcome.status).toBe('appended');
};

const countOf = (history: RunHistory): number => history.duplicates.count;
const show = (id: RunId, revision: number | null = null): Promise<number | null> =>
  histories.show(id, revision, countOf);

describe('histories of runs', () => {
  const A = idOf('a');

  it('are read once, and from then on what came since', async () => {
    await append(A, started(A), SEEN);
    expect(await show(A)).toBe(1);
    await append(A, SEEN);
    expect([await show(A), await show(A)]).toEqual([2, 2]);
    expect(store.reads).toEqual([0, 2, 3]);
    const whole = (await store.readStream(runStream(A))).reduce<HistoryState | null>(
      (history, { type, v, data, recordedAt }) => foldHistory(history, decodeRunEvent(type, v, data), recordedAt),
      null,
    );
    expect(await histories.show(A, null, (history) => structuredClone(history))).toEqual(structuredClone(whole));
  });

  it('are shown as of the revision that is asked for, and not past it', async () => {
    await append(A, started(A), SEEN, SEEN, SEEN);
    expect([await show(A, 1), await show(A, 3), await show(A, 1)]).toEqual([1, 3, null]);
    expect(await histories.show(A, 3, (_, position) => position)).toBe(
      (await store.readStream(runStream(A))).at(-1)!.position,
    );
  });

  it('are read by one after the other, whoever asks meanwhile', async () => {
    await append(A, started(A), SEEN, SEEN);
    expect(await Promise.all([show(A, 1), show(A, 2), show(A), show(A, 2)])).toEqual([1, 2, 2, 2]);
    expect(store.reads).toEqual([0, 2, 3]);
  });

  it('are gone on with where a read failed', async () => {
    await append(A, started(A), SEEN);
    store.fault = new Error('gone');
    await expect(show(A)).rejects.toThrow('gone');
    store.fault = null;
    expect(await show(A)).toBe(1);
    expect(store.reads).toEqual([0, 1]);
  });

  it('are not shown by half where an event of the run makes no sense, at the first read nor later', async () => {
    const nowhere = { revision: 99, pointer: '/output' };
    await append(A, started(A), entry, {
      type: 'StepCompleted',
      step: 's',
      endsSlot: false,
      edge: null,
      mapped: null,
      as: null,
      output: nowhere,
    });
    for (let again = 0; again < 2; again++)
      await expect(show(A)).rejects.toThrow(`revision 2, StepCompleted, of run ${A} cannot be shown`);
  });

  it('are none where there is no run, and nothing is kept of that', async () => {
    expect(await show(A)).toBe(null);
    await append(A, started(A));
    expect(await show(A)).toBe(0);
    expect(store.reads).toEqual([0, 0]);
  });

  it('say which runs had ended', async () => {
    await append(A, started(A));
    await show(A);
    expect(histories.ended(A)).toBe(null);
    await append(A, CANCELLED);
    await show(A);
    expect([histories.ended(A)?.status, histories.ended(idOf('b'))]).toEqual(['cancelled', null]);
  });

  const LARGE = `"${'x'.repeat(370_000)}"` as JsonText;
  /** A run that takes so many times 740 KB in memory. */
  const appendLarge = async (id: RunId, times: number): Promise<void> => {
    await append(id, started(id), entry);
    for (let answer = 0; answer < times; answer++)
      await append(id, { type: 'AttemptSucceeded', step: 's', attempt: 1, status: 200, output: LARGE });
  };
  const entry: RunEvent = {
    ...{ type: 'StepEntered', step: 's', node: 0, name: 's', kind: 'step', parent: null, slot: null, slots: null },
    ...{ computes: false, request: null, policy: null, deadlineAt: null, retriesEndAt: null },
    ...{ input: { revision: 0, pointer: '/input' } },
  };

  it('take 64 MiB at most: that shown longest ago goes first', async () => {
    const ids = Array.from({ length: 100 }, (_, index) => idOf(`r${index}`));
    for (const id of ids) await append(id, started(id, LARGE), SEEN);
    for (const id of ids) await show(id);
    store.reads.length = 0;
    for (const index of [99, 20, 0]) await show(ids[index]!);
    expect(store.reads).toEqual([2, 2, 0]);
  });

  it('may take up to 256 MiB for the one shown last, until another is shown or nobody has asked for it for 30 s', async () => {
    const B = idOf('b');
    await appendLarge(A, 100);
    await append(B, started(B));
    await show(A);
    await show(A);
    expect(timers.map(({ ms }) => ms)).toEqual([30_000]);
    await show(B);
    expect(timers).toEqual([]);
    await show(A);
    timers.splice(0).forEach(({ call }) => call());
    await show(A);
    expect(store.reads).toEqual([0, 102, 0, 0, 0]);
    histories.onModuleDestroy();
    await show(A);
    expect(timers).toEqual([]);
    const C = idOf('c');
    histories = new RunHistories(store, clock);
    await appendLarge(C, 380);
    store.reads.length = 0;
    await show(C);
    await show(C);
    expect(store.reads).toEqual([0, 0]);
  });
});
