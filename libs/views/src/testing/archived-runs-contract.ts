import { describe, expect, it } from '@jest/globals';
import { encodeRunEvent, runStream, type Commit, type Revision } from '#event-store';
import { stepIdempotencyKey } from '#runtime';
import { itemsOf } from './files.js';
import { attempted, completed, runIdFor, started, TestLog, threeStepFlow } from './histories.js';
import { applyAll, ofRuns, type OpenViews, type TestViews } from './test-views.js';

const NEWEST = { order: 'desc', limit: 100 } as const;

/** Puts the stub in the place of that many events. */
export const archive = async (log: TestLog, name: string, events: number): Promise<void> => {
  const { id, key, workflow, version, plan, namespace, fingerprint } = started(name);
  const stub = encodeRunEvent({
    ...{ type: 'RunArchived', id, key, workflow, version, plan, namespace, fingerprint },
    ...{ status: 'completed', startedAt: '', finishedAt: '', events, file: 'f' },
  });
  const envelope = { commandId: '01', recordedAt: '2026-03-01T00:00:00.000Z', actor: null, traceparent: null };
  const outcome = await log.store.archive(runStream(runIdFor(name)), (events - 1) as Revision, stub, envelope);
  expect(outcome.status).toBe('appended');
};

/** Three runs, a poisoned one, two of them archived, and a later one: all that ever was in the log. */
const history = async (log: TestLog): Promise<Commit[]> => {
  const seen = new Map<number, Commit>();
  const note = async (): Promise<void> => {
    for (const commit of await log.commits()) if (!seen.has(commit.position)) seen.set(commit.position, commit);
  };
  const tagged = { tags: { team: 'x' }, correlationId: 'c-1', requestor: 'ann' };
  for (const name of ['a', 'b']) for (const events of threeStepFlow(name)) await log.append(name, events);
  await log.append('c', [started('c', tagged), attempted('create-user')]);
  await log.append('c', [attempted('send-mail'), completed]);
  await log.append('bad', [started('bad'), { type: 'RunLevitated', v: 1, data: '{}' }, completed]);
  await note();
  await archive(log, 'c', 4);
  await archive(log, 'bad', 3);
  await note();
  await log.append('d', [started('d'), attempted('create-user')]);
  await note();
  return [...seen.values()];
};

type Rows = readonly Record<string, unknown>[];
const byText = (a: object, b: object): number => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1);

/** Rows and what leads to them, whatever their places in the list are. */
export const contentsOf = (tables: Record<string, unknown[]>): unknown => {
  const { runs, run_lookups: lookups, parked_streams: parked } = tables as Record<string, Rows>;
  const seqs = new Map(runs!.map(({ seq, run_id: runId }) => [seq, runId]));
  return {
    runs: runs!.map(({ seq: _seq, start_position: _position, ...row }) => row).sort(byText),
    // One that leads nowhere names no run.
    lookups: lookups!
      .map(({ seq, bucket: _bucket, ...lookup }) => ({ ...lookup, run: seqs.get(seq) ?? null }))
      .sort(byText),
    parked,
  };
};

/** What every store of views makes of runs that are archived. */
export const archivedRunsContract = (name: string, open: OpenViews): void => {
  const after = async (batches: readonly (readonly Commit[])[], look: (views: TestViews) => Promise<void>) => {
    const views = await open();
    try {
      for (const batch of batches)
        await views.apply({
          after: await views.checkpoint(),
          through: batch.at(-1)!.position,
          commits: ofRuns(batch),
        });
      await look(views);
      return await views.dump();
    } finally {
      await views.close();
    }
  };
  const cut = (commits: readonly Commit[], size: number): Commit[][] =>
    Array.from({ length: Math.ceil(commits.length / size) }, (_, index) =>
      commits.slice(index * size, index * size + size),
    );

  describe(`${name}: an archived run`, () => {
    it('leaves the list with all by which it was found and its parking, however the log is cut', async () => {
      const commits = await history(new TestLog());
      const dumps: Record<string, unknown[]>[] = [];
      for (const size of [1, 3, 100]) {
        const dump = await after(cut(commits, size), async (views) => {
          const keys = async (query: object): Promise<string[]> =>
            itemsOf(await views.listRuns({ ...NEWEST, ...query })).map(({ key }) => key);
          expect(await keys({})).toEqual(['d', 'b', 'a']);
          expect(await keys({ key: 'c' })).toEqual([]);
          for (const step of ['create-user', 'send-mail'])
            expect(await keys({ stepKey: stepIdempotencyKey(runIdFor('c'), step) })).toEqual([]);
          expect(await views.parked()).toEqual([]);
        });
        dumps.push(dump);
        const { runs, run_lookups: lookups } = dump as Record<string, Rows>;
        const places = new Set(runs!.map(({ seq }) => seq));
        expect(lookups!.filter(({ seq }) => !places.has(seq))).toEqual([]);
      }
      const first = dumps[0]!['runs'] as Rows;
      for (const { runs } of dumps) expect(runs).toEqual(first);
      expect(new Set(first.map(({ seq }) => seq))).toEqual(new Set([1, 2, 5]));
      for (const dump of dumps) expect(contentsOf(dump)).toEqual(contentsOf(dumps[0]!));
    });

    it('keeps its place, over a restart too: the next run takes none that was given', async () => {
      const log = new TestLog();
      await log.append('a', [started('a'), completed]);
      const some = await log.commits();
      await archive(log, 'a', 2);
      const views = await open();
      try {
        await applyAll(views, some);
        await applyAll(views, await log.commits());
        await views.reopen();
        await log.append('b', [started('b')]);
        await applyAll(views, await log.commits());
        expect((await views.dump())['runs']).toMatchObject([{ key: 'b', seq: 2 }]);
      } finally {
        await views.close();
      }
    });

    it('was never there for views built later, of what is left in the log, and of a log that frees it piece by piece', async () => {
      const log = new TestLog();
      const commits = await history(log);
      const nothing = async (): Promise<void> => {};
      const kept = contentsOf(await after(cut(commits, 3), nothing));
      const torn = commits.filter(({ stream, firstRevision }) => !stream.endsWith(runIdFor('c')) || firstRevision >= 2);
      expect(torn.length).toBe(commits.length - 1);
      for (const left of [await log.commits(), torn]) expect(contentsOf(await after([left], nothing))).toEqual(kept);
    });
  });
};
