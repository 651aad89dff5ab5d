import { describe, expect, it } from '@jest/globals';
import { join } from 'node:path';
import { encodeRunEvent, runStream, type Commit, type Position, type Revision } from '#event-store';
import { stepIdempotencyKey } from '#runtime';
import { dump, itemsOf, withFolder } from '../testing/files.js';
import { attempted, completed, runIdFor, started, TestLog, threeStepFlow } from '../testing/histories.js';
import { SqliteViews } from './sqlite-views.js';

const NEWEST = { order: 'desc', limit: 100 } as const;

const archive = async (log: TestLog, name: string, events: number): Promise<void> => {
  const { id, key, workflow, version, plan, namespace, fingerprint } = started(name);
  const stub = encodeRunEvent({
    ...{ type: 'RunArchived', id, key, workflow, version, plan, namespace, fingerprint },
    ...{ status: 'completed', startedAt: '', finishedAt: '', events, file: 'f' },
  });
  const envelope = { commandId: '01', recordedAt: '2026-03-01T00:00:00.000Z', actor: null, traceparent: null };
  const outcome = await log.store.archive(runStream(runIdFor(name)), (events - 1) as Revision, stub, envelope);
  expect(outcome.status).toBe('appended');
};

const apply = (views: SqliteViews, commits: readonly Commit[], through: Position): void =>
  void views.apply({ after: views.checkpoint, through, commits });

/** Rows and what leads to them, whatever their places in the list are. */
const contents = (file: string): unknown => {
  const {
    runs,
    run_lookups: lookups,
    parked_streams: parked,
  } = dump(file) as Record<string, Record<string, unknown>[]>;
  const seqs = new Map(runs!.map(({ seq, run_id: runId }) => [seq, runId]));
  return {
    runs: runs!.map(({ seq: _seq, start_position: _position, ...row }) => row).sort(byText),
    lookups: lookups!.map(({ seq, bucket: _bucket, ...lookup }) => ({ ...lookup, run: seqs.get(seq) })).sort(byText),
    parked,
  };
};
const byText = (a: object, b: object): number => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1);

describe('an archived run', () => {
  it('leaves the list with all by which it was found, however the log is cut, and the next run takes no old place', () =>
    withFolder(async (folder) => {
      const log = new TestLog();
      const history: Commit[] = [];
      const noted = async (): Promise<void> => {
        for (const commit of await log.commits())
          if (!history.some(({ position }) => position === commit.position)) history.push(commit);
      };
      for (const name of ['a', 'b', 'c']) for (const events of threeStepFlow(name)) await log.append(name, events);
      await log.append('bad', [started('bad'), { type: 'RunLevitated', v: 1, data: '{}' }, completed]);
      await noted();
      await archive(log, 'c', 17);
      await archive(log, 'bad', 3);
      await noted();
      await log.append('d', [started('d'), attempted('create-user')]);
      await noted();
      const head = await log.store.head();
      const found: unknown[] = [];
      for (const size of [1, 3, 100]) {
        const file = join(folder, `kept-${size}.sqlite`);
        const views = await SqliteViews.open(file);
        for (let from = 0; from < history.length; from += size) {
          const some = history.slice(from, from + size);
          apply(views, some, some.at(-1)!.position);
        }
        expect(itemsOf(views.listRuns(NEWEST)).map(({ key }) => key)).toEqual(['d', 'b', 'a']);
        const stepKey = stepIdempotencyKey(runIdFor('c'), 'create-user');
        expect(itemsOf(views.listRuns({ ...NEWEST, stepKey }))).toEqual([]);
        expect(views.parked()).toEqual([]);
        views.close();
        found.push(dump(file)['runs'], contents(file));
      }
      expect(found[2]).toEqual(found[0]);
      expect(found[4]).toEqual(found[0]);
      expect(found[0]).toMatchObject([{ seq: 1 }, { seq: 2 }, { seq: 5 }]);

      // From what is left in the log, and from a log that gives back space piece by piece.
      const torn = history.filter(({ stream, firstRevision }) => !stream.endsWith(runIdFor('c')) || firstRevision >= 3);
      for (const [name, commits] of [
        ['left', await log.commits()],
        ['torn', torn],
      ] as const) {
        const file = join(folder, `${name}.sqlite`);
        const views = await SqliteViews.open(file);
        apply(views, commits, head);
        views.close();
        expect(contents(file)).toEqual(found[1]);
      }
    }));
});
