import { afterEach, describe, expect, it } from '@jest/globals';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { JsonText, RunEvent } from '#domain';
import type { EngineParts } from './engine-parts.js';
import { Mailbox } from './mailbox.js';
import { RunTable } from './run-table.js';
import { foldEvent, type FoldedRun } from './load-run.js';
import { newEngine, Recorder, runIdOf, start, stopEngines, TWO_STEPS, TwistedStore } from './testing/engine-world.js';

afterEach(stopEngines);

const MIB = 1024 * 1024;
const text = (length: number, letter = 'a'): JsonText => JSON.stringify(letter.repeat(length)) as JsonText;

/** An API, and the owner that has an attempt of every run in flight. */
const apiAndOwner = async () => {
  const store = new TwistedStore();
  const { begin } = await newEngine(new Recorder(), store, { sharedLog: true });
  const { engine } = await newEngine(null, store, { sharedLog: true });
  return { engine, begin };
};

describe('runs that have nothing to do in this process', () => {
  it('are kept without an owner as well while their attempts are in flight, up to 64 MiB of them', async () => {
    const { engine, begin } = await apiAndOwner();
    const input = text(200_000);
    for (let index = 0; index < 300; index++) {
      await begin(`${index}`, { input });
      await engine.load(runIdOf(`${index}`));
    }
    await new Promise((resolve) => setImmediate(resolve));
    expect(engine.size).toBeGreaterThan((64 * MIB) / 500_000);
    expect(engine.size).toBeLessThan((64 * MIB) / 400_000);
    // Those that were asked for last are there.
    expect(engine.isActive(runIdOf('299'))).toBe(true);
    expect(engine.isActive(runIdOf('0'))).toBe(false);
  });

  it('are kept by the thousand when they are small', async () => {
    const { engine, begin } = await apiAndOwner();
    for (let index = 0; index < 3_000; index++) {
      await begin(`${index}`);
      await engine.load(runIdOf(`${index}`));
    }
    expect(engine.size).toBe(3_000);
  });

  it('go in their turn though an older mailbox of the same run is done with', () => {
    const engine = {} as EngineParts; // none of it is needed to lie idle
    const table: RunTable = new RunTable((runId) => new Mailbox(runId, { ...engine, runs: table }));
    const idle = (key: string): Mailbox => {
      const mailbox = table.of(runIdOf(key));
      if (mailbox.phase === 'unread') mailbox.presumeNew(null);
      mailbox.bytes = 10 * MIB;
      table.idle(mailbox);
      return mailbox;
    };
    const old = idle('a');
    old.evict();
    const fresh = idle('a');
    table.delete(old);
    expect(table.get(fresh.runId)).toBe(fresh);
    for (let index = 0; index < 6; index++) idle(`${index}`);
    expect(table.get(fresh.runId)).toBeUndefined();
    expect(fresh.phase).toBe('closed');
    expect(table.size).toBe(6);
  });

  it('stay while somebody waits for their end', async () => {
    const { engine, begin } = await apiAndOwner();
    const input = text(200_000);
    await begin('awaited', { input });
    const stopWaiting = engine.whenEnded(runIdOf('awaited'), () => undefined);
    for (let index = 0; index < 200; index++) {
      await begin(`${index}`, { input });
      await engine.load(runIdOf(`${index}`));
    }
    expect(engine.isActive(runIdOf('awaited'))).toBe(true);
    stopWaiting();
  });

  it('are counted for about what they take', async () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void; // there once the flag is set
    // What other tests have left goes first, or is little beside 8,000 runs where it goes meanwhile.
    const heap = async (): Promise<number> => {
      for (let turn = 0; turn < 3; turn++) {
        await new Promise((resolve) => setImmediate(resolve));
        collect();
      }
      return process.memoryUsage().heapUsed;
    };
    const shareOf = async (payload: JsonText): Promise<number> => {
      const before = await heap();
      // Texts of their own, as they come from the log.
      const runs = Array.from({ length: 8_000 }, () => foldedRun(JSON.parse(JSON.stringify(eventsOf(payload)))));
      const tookBytes = (await heap()) - before;
      return runs.reduce((bytes, run) => bytes + run.bytes, 0) / tookBytes;
    };
    for (const payload of [text(20), text(2_000), text(2_000, 'д')]) {
      const share = await shareOf(payload);
      expect(share).toBeGreaterThan(0.9);
      expect(share).toBeLessThan(2.5);
    }
  });
});

const AT = '2026-01-01T00:00:00.000Z';

const eventsOf = (payload: JsonText): readonly RunEvent[] => {
  const { type: _type, timeoutMs: _timeoutMs, ...started } = start('a', { input: payload });
  return [
    { type: 'RunStarted', ...started, timeoutAt: null },
    ...TWO_STEPS.nodes.flatMap((_, node): RunEvent[] => stepEvents(node, payload)),
  ];
};

const stepEvents = (node: number, payload: JsonText): RunEvent[] => {
  const step = `s${node}`;
  const request = {
    method: 'POST',
    url: `http://localhost:1/${node}`,
    headers: {},
    contentType: 'application/json',
  } as const;
  return [
    {
      ...{ type: 'StepEntered', step, node: node as never, name: step, kind: 'step', parent: null, slot: null },
      ...{ slots: null, request, deadlineAt: null, input: { revision: 0, pointer: '/input' } },
    },
    { type: 'AttemptStarted', step, attempt: 1, dispatcher: 'd', boot: 'b1' },
    { type: 'AttemptSucceeded', step, attempt: 1, status: 200, output: payload },
  ] as RunEvent[];
};

const foldedRun = (events: readonly RunEvent[]): Pick<FoldedRun, 'state' | 'bytes'> => {
  const folded: Pick<FoldedRun, 'state' | 'bytes'> = { state: null, bytes: 0 };
  for (const event of events) foldEvent(folded, event, AT);
  return folded;
};
