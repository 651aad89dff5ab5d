import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { eventually } from '../../../../test/support/pause.js';
import { testPostgres, type TestPostgres } from '../../../../test/support/postgres.js';
import { Child, built } from '../../../../test/support/processes.js';
import { LOG_START } from '#event-store';
import { systemClock } from '#runtime';
import { TestLog, threeStepFlow } from '../testing/histories.js';
import { FLOWS, flowNamed } from '../testing/flowing-log.js';
import { dumpPostgres, withClient } from '../testing/postgres-test-views.js';
import { LeadingProjector } from './leading-projector.js';
import { BEAT_MS, LATE_MS, PostgresLeaderLock, SILENT_MS } from './postgres-leader-lock.js';
import { PostgresViewStore } from './postgres-view-store.js';

const LOCK = { beatMs: 50, silentMs: 600 };

type LeaderRow = { holder: string; backend_pid: number; term: number };

describe('one active projector of several', () => {
  let postgres: TestPostgres;
  const children: Child[] = [];
  const projectors: LeadingProjector[] = [];

  beforeEach(async () => {
    postgres = await testPostgres('leading-projector.spec');
  });

  afterEach(async () => {
    for (const child of children.splice(0)) {
      child.process.kill('SIGCONT');
      child.kill();
      await child.exited();
    }
    await Promise.all(projectors.splice(0).map((projector) => projector.stop()));
    await postgres.stop();
  });

  const leader = (): Promise<LeaderRow | null> =>
    withClient(postgres.url, async (client) => {
      const { rows } = await client
        .query<LeaderRow>('select * from stepwell_views.leaders')
        .catch(() => ({ rows: [] }));
      return rows[0] ?? null;
    });
  const ledBy = (holder: string): Promise<LeaderRow> =>
    eventually(`${holder} to lead`, async () => {
      const row = await leader();
      return row?.holder === holder ? row : null;
    });
  const projector = (log: TestLog, holder: string): LeadingProjector => {
    const made = new LeadingProjector(log.store, postgres.url, systemClock, { lock: { ...LOCK, holder } });
    projectors.push(made);
    return made;
  };
  const child = (holder: string, silentMs = LOCK.silentMs): Child => {
    const entry = built('libs/views/src/testing/leading-projector-main.js');
    const made = new Child(holder, entry, { args: [postgres.url, holder, String(LOCK.beatMs), String(silentMs)] });
    children.push(made);
    return made;
  };
  const checkpoint = (): Promise<number> =>
    withClient(postgres.url, async (client) => {
      const { rows } = await client.query<{ position: number }>('select position from stepwell_views_1.checkpoint');
      return rows[0]!.position;
    });

  it('is followed by another within 15 s by its own figures', () => {
    expect(SILENT_MS + 2 * BEAT_MS).toBeLessThan(15_000);
    expect(LATE_MS).toBeLessThan(SILENT_MS);
  });

  it('is followed by the one that stands by when it stops, without a loss', async () => {
    const log = new TestLog();
    const [one, two] = [projector(log, 'one'), projector(log, 'two')];
    await one.start();
    await ledBy('one');
    await two.start();
    const views = new PostgresViewStore(postgres.url);
    await views.start();
    for (const events of threeStepFlow('a')) await log.append('a', events);
    expect(await views.waitFor(await log.store.head(), 5_000)).toBe(true);
    expect([one.leads, two.leads]).toEqual([true, false]);
    await one.stop();
    expect((await ledBy('two')).term).toBe(2);
    for (const events of threeStepFlow('b')) await log.append('b', events);
    expect(await views.waitFor(await log.store.head(), 5_000)).toBe(true);
    expect([one.leads, two.leads]).toEqual([false, true]);
    expect(await views.leader('projector')).toMatchObject({ holder: 'two', term: 2, takenAt: expect.any(String) });
    expect((await views.leader('projector'))!.beatAgoMs).toBeLessThan(LOCK.silentMs);
    expect(await views.leader('relay')).toBeNull();
    await views.stop();
  });

  it('leads again by itself after its connection was ended', async () => {
    const log = new TestLog();
    await projector(log, 'one').start();
    const first = await ledBy('one');
    await withClient(postgres.url, (client) => client.query('select pg_terminate_backend($1)', [first.backend_pid]));
    await eventually('another term', async () => ((await leader())!.term > first.term ? true : null));
    const views = new PostgresViewStore(postgres.url);
    await views.start();
    for (const events of threeStepFlow('a')) await log.append('a', events);
    expect(await views.waitFor(await log.store.head(), 5_000)).toBe(true);
    await views.stop();
  });

  it('is not ended while it beats, however long another stands by', async () => {
    const log = new TestLog();
    await projector(log, 'one').start();
    const { term } = await ledBy('one');
    await projector(log, 'two').start();
    await new Promise((resolve) => systemClock.after(LOCK.silentMs * 2, () => resolve(null)));
    expect(await leader()).toMatchObject({ holder: 'one', term });
  });

  it('that sleeps in the middle of its work is ended, and writes nothing when it wakes', async () => {
    const sleeper = child('sleeper');
    await ledBy('sleeper');
    child('other');
    await eventually('some of the log', async () => ((await checkpoint()) > 20_000 ? true : null));
    sleeper.process.kill('SIGSTOP');
    const sleptFrom = await checkpoint();
    const startMs = systemClock.monotonicMs();
    await ledBy('other');
    expect(systemClock.monotonicMs() - startMs).toBeLessThan(LOCK.silentMs + LOCK.beatMs * 2 + 1_000);
    await eventually('the other to write', async () => ((await checkpoint()) > sleptFrom ? true : null));
    sleeper.process.kill('SIGCONT');
    let last = LOG_START as number;
    await eventually('the whole log', async () => {
      const now = await checkpoint();
      // Nobody sees it go back.
      expect(now).toBeGreaterThanOrEqual(last);
      last = now;
      return now === FLOWS.end ? true : null;
    });
    await eventually('the sleeper to know', async () => (/standing by/.test(sleeper.output) ? true : null));
    expect((await leader())!.holder).toBe('other');
    expect(await dumpPostgres(postgres.url)).toEqual(await foldedAnew());
  });

  it('that is killed is followed at once', async () => {
    // So long that a machine on which connecting is slow is not taken for one that waits for the silence.
    const silentMs = 5_000;
    const victim = child('victim', silentMs);
    await ledBy('victim');
    child('heir', silentMs);
    await eventually('some of the log', async () => ((await checkpoint()) > 10_000 ? true : null));
    victim.kill();
    const startMs = systemClock.monotonicMs();
    await ledBy('heir');
    expect(systemClock.monotonicMs() - startMs).toBeLessThan(silentMs / 2);
    await eventually('the whole log', async () => ((await checkpoint()) === FLOWS.end ? true : null));
    expect(await dumpPostgres(postgres.url)).toEqual(await foldedAnew());
  });

  /** What one writer makes of the same log in one go. */
  const foldedAnew = async (): Promise<Record<string, unknown[]>> => {
    const other = await testPostgres('leading-projector.spec fold');
    const log = new TestLog();
    for (let run = 0; run < FLOWS.runs; run++) {
      const name = flowNamed(run);
      for (const events of threeStepFlow(name)) await log.append(name, events);
    }
    const views = new PostgresViewStore(other.url);
    await views.start();
    await views.apply({ after: LOG_START, through: await log.store.head(), commits: await log.commits() });
    const rows = await dumpPostgres(other.url);
    await views.stop();
    await other.stop();
    return rows;
  };
});

describe('a lock of a name', () => {
  it('knows of no other name, and tells a late holder to start nothing', async () => {
    const postgres = await testPostgres('leading-projector.spec names');
    let nowMs = 0;
    const clock = { ...systemClock, monotonicMs: () => nowMs };
    const [relay, projector] = ['relay', 'projector'].map(
      (name) => new PostgresLeaderLock(postgres.url, name, clock, { holder: 'me', beatMs: 60_000 }),
    );
    const led = (lock: PostgresLeaderLock): Promise<() => boolean> =>
      new Promise((resolve) => {
        lock.start(
          ({ signal, mayStart }) =>
            new Promise((end) => {
              signal.addEventListener('abort', () => end());
              resolve(mayStart);
            }),
        );
      });
    const [mayStart] = await Promise.all([led(relay!), led(projector!)]);
    nowMs = LATE_MS - 1;
    expect(mayStart!()).toBe(true);
    nowMs = LATE_MS;
    expect(mayStart!()).toBe(false);
    nowMs = 0;
    await relay!.stop();
    expect([mayStart!(), relay!.leads, projector!.leads]).toEqual([false, false, true]);
    await projector!.stop();
    await postgres.stop();
  });
});
