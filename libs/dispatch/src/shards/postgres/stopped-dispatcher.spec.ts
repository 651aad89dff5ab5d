import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import type { Shard } from '#event-store';
import { eventually, pause } from '../../../../../test/support/pause.js';
import { testPostgres, type TestPostgres } from '../../../../../test/support/postgres.js';
import { built, Child } from '../../../../../test/support/processes.js';
import type { OwnershipNews } from '../../testing/ownership-process.js';

// With the times of production, and processes that a signal stops or kills.

const MOVED_WITHIN_MS = 15_000;
const STOPPED_MS = 22_000;

class DispatcherProcess {
  readonly news: OwnershipNews[] = [];
  readonly shards = new Set<Shard>();
  private readonly child: Child;

  constructor(
    url: string,
    readonly name: string,
  ) {
    const args = [url, name];
    this.child = new Child(name, built('libs/dispatch/src/testing/ownership-process.js'), { args, ipc: true });
    this.child.process.on('message', (news: OwnershipNews) => {
      this.news.push(news);
      for (const shard of news.shards) {
        if (news.type === 'gained') this.shards.add(shard);
        else if (news.type !== 'started') this.shards.delete(shard);
      }
    });
  }

  signal(signal: 'SIGSTOP' | 'SIGCONT' | 'SIGKILL'): void {
    this.child.process.kill(signal);
  }

  stop(): Promise<unknown> {
    return this.child.stop();
  }
}

let postgres: TestPostgres;
let all: readonly DispatcherProcess[];
beforeAll(async () => {
  postgres = await testPostgres('stopped dispatcher');
  all = ['a', 'b', 'c'].map((name) => new DispatcherProcess(postgres.url, name));
});
afterAll(async () => {
  for (const each of all) each.signal('SIGCONT');
  await Promise.all(all.map((each) => each.stop()));
  await postgres.stop();
});

/** Waits until these own everything in fair parts; gives how long it took. */
const fair = async (timeoutMs: number, ...owners: readonly DispatcherProcess[]): Promise<number> => {
  const sinceMs = performance.now();
  const least = Math.floor(64 / owners.length);
  await eventually(
    `all shards to be of ${owners.map(({ name }) => name).join(', ')}`,
    async () => {
      const owned = new Set(owners.flatMap(({ shards }) => [...shards]));
      return owned.size === 64 && owners.every(({ shards }) => shards.size >= least) ? true : null;
    },
    timeoutMs,
  );
  return performance.now() - sinceMs;
};

/** Starts of a shard by one process after another had gained it and before that one let go of it. */
const zombieStarts = (): readonly string[] => {
  const told = all.flatMap(({ name, news }) => news.map((each) => ({ ...each, name })));
  told.sort((x, y) => x.atMs - y.atMs);
  const owners = new Map<Shard, string>();
  const found: string[] = [];
  for (const { type, shards, name, atMs } of told) {
    for (const shard of shards) {
      if (type === 'gained') owners.set(shard, name);
      else if (type === 'started' && owners.get(shard) !== name)
        found.push(`${name} started a step of ${shard} at ${atMs}, which is of ${owners.get(shard)}`);
      else if (type !== 'started' && owners.get(shard) === name) owners.delete(shard);
    }
  }
  return found;
};

describe('a dispatcher', () => {
  it('that is stopped loses its shards within 15 s, and when it wakes it starts nothing of them', async () => {
    const [a, b, c] = all as [DispatcherProcess, DispatcherProcess, DispatcherProcess];
    await fair(15_000, a, b, c);
    const its = new Set(a.shards);
    const stoppedAt = performance.now();
    a.signal('SIGSTOP');
    const toldBefore = a.news.length;
    expect(await fair(MOVED_WITHIN_MS, b, c)).toBeLessThan(MOVED_WITHIN_MS);
    await pause(STOPPED_MS - (performance.now() - stoppedAt));
    const wokenAtMs = performance.timeOrigin + performance.now();
    a.signal('SIGCONT');
    await eventually('a to hear of it', async () => a.news.find(({ type }) => type === 'lost') ?? null);
    const told = a.news.slice(toldBefore).filter(({ atMs }) => atMs >= wokenAtMs);
    expect(told[0]).toMatchObject({ type: 'lost' });
    expect(new Set(told[0]!.shards)).toEqual(its);
    // It is one of them again, and gets its part.
    await fair(10_000, a, b, c);
    expect(zombieStarts()).toEqual([]);
  }, 60_000);

  it('that is killed loses its shards when its last beat is so old that it could start nothing', async () => {
    const [a, b, c] = all as [DispatcherProcess, DispatcherProcess, DispatcherProcess];
    await fair(15_000, a, b, c);
    b.signal('SIGKILL');
    expect(await fair(MOVED_WITHIN_MS, a, c)).toBeLessThan(MOVED_WITHIN_MS);
    expect(zombieStarts()).toEqual([]);
    const client = new pg.Client({ connectionString: postgres.url });
    await client.connect();
    const { rows } = await client.query<{ from: string; reason: string }>(
      `select distinct from_dispatcher as from, reason from stepwell_dispatch.shard_moves where reason in ('silent', 'died')`,
    );
    await client.end();
    expect(rows).toEqual(expect.arrayContaining([{ from: 'a', reason: 'silent' }, { from: 'b', reason: 'silent' }])); // prettier-ignore
    expect(rows).toHaveLength(2);
  }, 30_000);

  it('that exits in good order hands its shards over within 5 s', async () => {
    const [a, , c] = all as [DispatcherProcess, DispatcherProcess, DispatcherProcess];
    const exited = a.stop();
    expect(await fair(5_000, c)).toBeLessThan(5_000);
    expect(await exited).toBe(0);
    expect(a.news.filter(({ type }) => type === 'release').at(-1)!.shards).toHaveLength(32);
    expect(zombieStarts()).toEqual([]);
  });
});
