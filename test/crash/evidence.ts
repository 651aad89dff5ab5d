import type { LedgerEntry, LedgerSummary } from '../../apps/sample-app/src/ledger.js';
import { httpCall } from '../support/http-client.js';
import { pause } from '../support/pause.js';
import { hasEnded, type EventShape, type ListShape, type RunShape } from '../support/shapes.js';
import type { Wish } from './client.js';

/** All that is known at the end, from the outside: by the clients, the server's answers, and the application. */
export type Evidence = {
  readonly wishes: readonly Wish[];
  /** By id, folded from the stream; null where the server knows no such run. */
  readonly runs: ReadonlyMap<string, RunShape | null>;
  /** The runs as the views list them, by id; doubled rows are kept. */
  readonly listed: ReadonlyMap<string, readonly RunShape[]>;
  readonly requests: readonly LedgerEntry[];
  readonly dropped: number;
  /** Whole histories, of some of the runs where there are many. */
  readonly histories: ReadonlyMap<string, readonly EventShape[]>;
};

const READERS = 16;
const PAGE_RUNS = 1000;
const PAGE_EVENTS = 1000;

/** Waits until every run has ended, or the time is over: what is still open then is evidence too. */
export const readEndedRuns = async (
  url: string,
  ids: readonly string[],
  timeoutMs: number,
  progress: (open: number) => void,
): Promise<Map<string, RunShape | null>> => {
  const untilMs = performance.now() + timeoutMs;
  const runs = new Map<string, RunShape | null>();
  let open = ids;
  for (;;) {
    await forEach(open, async (id) => {
      const answer = await httpCall('GET', `${url}/v1/runs/${id}`);
      if (answer.status !== 200 && answer.status !== 404)
        throw new Error(`reading run ${id} answered ${answer.status}: ${answer.text}`);
      runs.set(id, answer.status === 404 ? null : (JSON.parse(answer.text) as RunShape));
    });
    open = open.filter((id) => {
      const run = runs.get(id);
      return run !== null && run !== undefined && !hasEnded(run);
    });
    if (open.length === 0 || performance.now() > untilMs) return runs;
    progress(open.length);
    await pause(200);
  }
};

/** The whole list as the views have it, no older than a position; of it, what is asked for. */
export const readList = async (
  url: string,
  minPosition: string,
  wanted: (run: RunShape) => boolean,
): Promise<Map<string, readonly RunShape[]>> => {
  const listed = new Map<string, readonly RunShape[]>();
  let page = '';
  for (;;) {
    const answer = await httpCall('GET', `${url}/v1/runs?limit=${PAGE_RUNS}${page}`, {
      headers: { 'stepwell-min-position': minPosition },
    });
    if (answer.status === 503) {
      await pause(100);
      continue;
    }
    if (answer.status !== 200) throw new Error(`listing runs answered ${answer.status}: ${answer.text}`);
    const list = JSON.parse(answer.text) as ListShape<RunShape>;
    for (const run of list.items.filter(wanted)) listed.set(run.id, [...(listed.get(run.id) ?? []), run]);
    if (list.nextCursor === null) return listed;
    page = `&cursor=${encodeURIComponent(list.nextCursor)}`;
  }
};

/** The histories of so many runs, spread over all of them. */
export const readHistories = async (
  url: string,
  ids: readonly string[],
  most: number,
): Promise<Map<string, readonly EventShape[]>> => {
  const histories = new Map<string, readonly EventShape[]>();
  const every = Math.max(1, Math.floor(ids.length / most));
  const chosen = ids.filter((_, index) => index % every === 0);
  await forEach(chosen, async (id) => {
    const answer = await httpCall('GET', `${url}/v1/runs/${id}/events?from=0&limit=${PAGE_EVENTS}`, {
      headers: { accept: 'application/json' },
    });
    if (answer.status !== 200) throw new Error(`reading events of ${id} answered ${answer.status}: ${answer.text}`);
    const { items, nextCursor } = JSON.parse(answer.text) as ListShape<EventShape>;
    if (nextCursor !== null) throw new Error(`${id} has more events than a page`);
    histories.set(id, items);
  });
  return histories;
};

/** The application's own account. */
export const readLedger = async (
  url: string,
): Promise<{ readonly requests: readonly LedgerEntry[]; readonly dropped: number }> => {
  const lines = (await httpCall('GET', `${url}/ledger`, { timeoutMs: 60_000 })).text.split('\n');
  const summary = JSON.parse((await httpCall('GET', `${url}/ledger/summary`)).text) as LedgerSummary;
  return {
    requests: lines.filter((text) => text !== '').map((text) => JSON.parse(text) as LedgerEntry),
    dropped: summary.dropped,
  };
};

const forEach = async <T>(items: readonly T[], act: (item: T) => Promise<void>): Promise<void> => {
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < items.length) await act(items[next++]!);
  };
  await Promise.all(Array.from({ length: READERS }, worker));
};
