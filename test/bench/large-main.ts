import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { hrtime, resourceUsage } from 'node:process';
import { foldHistory, type HistoryState } from '#domain';
import { Dispatcher, MemoryOpenRuns, SingleOwner } from '#dispatch';
import { NOBODY } from '#engine';
import { decodeRunEvent, openSqliteLogReader, runStream } from '#event-store';
import { Archiver } from '#retention';
import { silentLog, systemClock, systemEntropy } from '#runtime';
import { rebuildSqliteViews } from '#views';
import { runText } from '../../apps/workflow-api/src/runs/run-json.js';
import { eventually } from '../support/pause.js';
import { engineOn, LARGE_RUN, largePlan, logIn, SHAPES, writeLargeRun } from './large-run.js';

// One thing done with the large run in a folder, by a process of its own: says as JSON how long it took, and what it took.
// node --expose-gc large-main.js <what> <shape> <folder>

const MIB = 2 ** 20;
const WITHIN_MS = 300_000;

const [what = '', shapeName = '', folder = ''] = process.argv.slice(2);
const shape = SHAPES.find((each) => each === shapeName);
if (shape === undefined || folder === '') throw new Error('what, which shape, where');

const collected = (): number => {
  gc?.();
  return process.memoryUsage().heapUsed;
};

type Measured = { readonly ms: number; readonly [figure: string]: number | string };

/** How long it takes. */
const timed = async (work: () => Promise<void>): Promise<number> => {
  const since = hrtime.bigint();
  await work();
  return Number(hrtime.bigint() - since) / 1e6;
};

const MEASURES: Readonly<Record<string, () => Promise<Measured>>> = {
  write: async () => {
    let events = 0;
    const ms = await timed(async () => {
      events = await writeLargeRun(folder, shape);
    });
    return { ms, events };
  },
  /** Folded from its stream to be decided on. */
  load: async () => {
    const plan = largePlan(shape);
    const store = await logIn(folder);
    const engine = engineOn(store, plan);
    const before = collected();
    const ms = await timed(async () => void (await engine.load(LARGE_RUN)));
    const stateMiB = (collected() - before) / MIB;
    // It is still there to be measured.
    const steps = (await engine.load(LARGE_RUN))?.run.steps.size ?? 0;
    await engine.stop();
    await store.stop();
    return { ms, stateMiB, 'steps kept': steps };
  },
  /** Folded from its stream to be shown, and its document made. */
  show: async () => {
    const plan = largePlan(shape);
    const store = await logIn(folder);
    const before = collected();
    let history: HistoryState | null = null;
    let position = -1;
    const foldMs = await timed(async () => {
      for await (const page of store.readPages(runStream(LARGE_RUN)))
        for (const event of page) {
          history = foldHistory(history, decodeRunEvent(event.type, event.v, event.data), event.recordedAt);
          position = event.position;
        }
    });
    const historyMiB = (collected() - before) / MIB;
    let document = '';
    const documentMs = await timed(async () => {
      try {
        const shown = { history: history!, plan, waits: [], parked: null, position: position as never };
        document = `${(Buffer.byteLength(runText(shown, 'slim')) / MIB).toFixed(2)} MiB`;
      } catch (refusal) {
        document = refusal instanceof Error ? refusal.message : String(refusal);
      }
    });
    await store.stop();
    return { ms: foldMs + documentMs, documentMs, historyMiB, document };
  },
  /** A dispatcher starts on the log: until it has closed the attempt that the one before left. */
  'take-over': async () => {
    const plan = largePlan(shape);
    const store = await logIn(folder);
    const engine = engineOn(store, plan);
    const options = {
      ...{ attemptsMax: 64, limits: [], breaker: { faults: 5, openMs: 1_000, openMaxMs: 60_000 } },
      ...{ attemptsPerOriginMax: 64, connectionsPerOriginMax: 64, payloadMaxBytes: 65_536, graceMs: 200, name: 'next' },
    };
    const dispatcher = new Dispatcher(
      store,
      engine,
      new MemoryOpenRuns(),
      new SingleOwner(),
      systemClock,
      systemEntropy,
      silentLog,
      options,
    );
    const head = await store.head();
    const ms = await timed(async () => {
      await dispatcher.start();
      await eventually('the take-over', async () => ((await store.head()) > head ? true : null), WITHIN_MS);
    });
    await dispatcher.stop();
    await store.stop();
    return { ms };
  },
  rebuild: async () => {
    const log = openSqliteLogReader(folder);
    const views = join(folder, 'views');
    const { signal } = new AbortController();
    const ms = await timed(
      async () => void (await rebuildSqliteViews(log, views, { onProgress: () => undefined, signal })),
    );
    log.close();
    await rm(views, { recursive: true });
    return { ms };
  },
  /** It is cancelled first, so that it has ended. */
  archive: async () => {
    const plan = largePlan(shape);
    const store = await logIn(folder);
    const engine = engineOn(store, plan);
    await engine.cancel(LARGE_RUN, null, NOBODY);
    await engine.stop();
    const options = { folder: join(folder, 'archives'), ageMs: 0, runsPerSecond: 100, pollMs: 10 };
    const archiver = new Archiver(store, systemClock, systemEntropy, silentLog, options);
    const ms = await timed(async () => {
      archiver.start();
      await eventually('the archive', () => Promise.resolve(archiver.archived > 0 ? true : null), WITHIN_MS);
    });
    await archiver.stop();
    await store.stop();
    return { ms };
  },
};

const measure = MEASURES[what];
if (measure === undefined) throw new Error(`nothing is measured by the name ${what}`);
const measured = await measure();
process.stdout.write(`${JSON.stringify({ ...measured, peakMiB: resourceUsage().maxRSS / 1_024 })}\n`);
