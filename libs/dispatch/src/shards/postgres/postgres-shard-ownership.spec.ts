import assert from 'node:assert/strict';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { systemClock, type Clock } from '#runtime';
import { eventually } from '../../../../../test/support/pause.js';
import { testPostgres, type TestPostgres } from '../../../../../test/support/postgres.js';
import { TcpProxy } from '../../../../../test/support/tcp-proxy.js';
import { ShardOwners, type ShardOwner } from '../../testing/shard-owners.js';
import { DISPATCH_SCHEMA, migrate } from './dispatch-schema.js';
import type { OwnershipTimes } from './postgres-shard-ownership.js';

/** A tenth of the real ones. */
const FAST: OwnershipTimes = { beatMs: 100, lateMs: 500, silentMs: 1_000 };

let postgres: TestPostgres;
let world: ShardOwners;
const closing: (() => Promise<unknown>)[] = [];

const share = async (times?: OwnershipTimes): Promise<ShardOwners> => {
  postgres = await testPostgres('shard ownership');
  return (world = await new ShardOwners(postgres.url, times).start());
};

const proxied = async (): Promise<{ proxy: TcpProxy; url: string }> => {
  const url = new URL(postgres.url);
  const proxy = new TcpProxy(Number(url.port));
  await proxy.start();
  closing.push(() => proxy.stop());
  url.port = String(proxy.port);
  return { proxy, url: url.href };
};

/** A way to Postgres that does not tell it when a client has gone, as a network that drops packets. */
const forgetful = async (): Promise<string> => {
  const url = new URL(postgres.url);
  const port = Number(url.port);
  const servers: Socket[] = [];
  const way = createServer((client) => {
    const server = connect(port, '127.0.0.1');
    servers.push(server);
    client.on('data', (chunk) => server.write(chunk)).on('error', () => undefined);
    server.on('data', (chunk) => client.write(chunk)).on('error', () => undefined);
  });
  await new Promise<void>((resolve) => way.listen(0, '127.0.0.1', resolve));
  closing.push(async () => {
    for (const server of servers) server.destroy();
    await new Promise((resolve) => way.close(resolve));
  });
  // It listens on a port, and so has an address of this type.
  url.port = String((way.address() as AddressInfo).port);
  return url.href;
};

const lost = (owner: ShardOwner): Promise<true> =>
  eventually(`${owner.name} to hear of the loss`, async () => (owner.mayStartWhenLost === null ? null : true));

/** `${name}` is ended on the server, as an administrator does. */
const terminate = (name: string): Promise<unknown> =>
  world.query(
    'select pg_terminate_backend(pid) from pg_stat_activity where application_name = $1 and datname = current_database()',
    [`stepwell dispatcher ${name}`],
  );

afterEach(async () => {
  await world.stop();
  for (const close of closing.splice(0).reverse()) await close();
  await postgres.stop();
  assert.deepEqual(world.doubles, [], 'two might have started a step of the same shard');
});

describe('PostgresShardOwnership', () => {
  it('shares fairly as dispatchers come and go, each time within 5 s and by the fewest moves', async () => {
    await share();
    const a = await world.add('a');
    expect(a.shards.size).toBe(64);
    expect(await world.moves()).toEqual({ 'null → a, joined': 64 });
    const b = await world.add('b');
    expect(await world.fair(a, b)).toBeLessThan(5_000);
    expect(await world.moves()).toEqual({ 'a → b, joined': 32 });
    const c = await world.add('c');
    expect(await world.fair(a, b, c)).toBeLessThan(5_000);
    expect(await world.moves()).toEqual({ 'a → c, joined': 10, 'b → c, joined': 11 });
    expect(await world.owned()).toEqual({ a: 22, b: 21, c: 21 });
    const beforeB = new Set(b.shards);
    await a.ownership.stop();
    expect(await world.fair(b, c)).toBeLessThan(5_000);
    expect(await world.moves()).toEqual({ 'a → b, left': 11, 'a → c, left': 11 });
    expect([...beforeB].every((shard) => b.shards.has(shard))).toBe(true);
    expect(await world.owned()).toEqual({ b: 32, c: 32 });
    expect(b.ownership.status()).toEqual({
      shards: expect.arrayContaining([...b.shards]),
      mayStart: true,
      dispatchers: 2,
      taken: { joined: 32, left: 11, silent: 0, died: 0 },
    });
  });

  it('shares fairly among many that come at once, and stays as it is then', async () => {
    await share(FAST);
    const many = await Promise.all(['a', 'b', 'c', 'd', 'e', 'f', 'g'].map((name) => world.add(name)));
    await world.fair(...many);
    await world.moves();
    const beatsOf = `select min(beat_at)::text as at from stepwell_dispatch.dispatchers`;
    const first = (await world.query<{ at: string }>(`select clock_timestamp()::text as at`))[0]!.at;
    // Everybody has looked at everybody several times.
    for (let turn = 0, at = first; turn < 5; turn++) {
      const before = at;
      await eventually('beats', async () =>
        (at = (await world.query<{ at: string }>(beatsOf))[0]!.at) > before ? true : null,
      );
    }
    expect(await world.moves()).toEqual({});
  });

  it('waits for who lets go slowly, and goes on beating meanwhile', async () => {
    await share(FAST);
    const a = await world.add('a');
    let letGo = (): void => undefined;
    a.releasing = new Promise((resolve) => (letGo = resolve));
    const b = await world.add('b');
    const { at } = (await world.query<{ at: string }>('select clock_timestamp()::text as at'))[0]!;
    const beatsPast = `select from stepwell_dispatch.dispatchers where name = 'a' and beat_at > $1::timestamptz + interval '1500 ms'`;
    await eventually('beats', async () => ((await world.query(beatsPast, [at])).length > 0 ? true : null));
    expect([a.shards.size, b.shards.size, a.ownership.mayStart]).toEqual([64, 0, true]);
    expect(a.heard).toEqual(['gained 64', 'release 32']);
    letGo();
    await world.fair(a, b);
    expect(await world.moves()).toEqual({ 'null → a, joined': 64, 'a → b, joined': 32 });
  });

  it('keeps shards that stay, and asks for others, or for them again, until all have their share', async () => {
    await share(FAST);
    const a = await world.add('a');
    a.staying = (shard) => shard % 2 === 0;
    const b = await world.add('b');
    await eventually('what does not stay', async () => (b.shards.size > 0 ? true : null));
    expect(a.shards.size + b.shards.size).toBe(64);
    a.staying = () => false;
    await world.fair(a, b);
    expect(a.heard.filter((heard) => heard.startsWith('release')).length).toBeGreaterThan(1);
    a.staying = () => true;
    await world.moves();
    // Nothing stays at a stop, and it is said why all of them are free.
    await a.ownership.stop();
    await world.fair(b);
    expect(await world.moves()).toEqual({ 'a → b, left': 32 });
  });

  it('keeps what it has gained anew, though it hears late that it was to go before', async () => {
    await share(FAST);
    const a = await world.add('a');
    let letGo = (): void => undefined;
    a.releasing = new Promise((resolve) => (letGo = resolve));
    const b = await world.add('b');
    await eventually('the release', async () => (a.heard.includes('release 32') ? true : null));
    await b.ownership.stop();
    await terminate('a');
    await lost(a);
    const held = () => a.ownership.status().shards.length;
    await eventually('all of them again', async () => (held() === 64 ? true : null));
    letGo();
    await new Promise(setImmediate);
    expect([held(), await world.owned()]).toEqual([64, { a: 64 }]);
  });

  it('takes shards away from who fails to let go of them', async () => {
    await share(FAST);
    const a = await world.add('a');
    a.releasing = Promise.reject(new Error('cannot'));
    const b = await world.add('b');
    await world.fair(a, b);
    expect(a.heard).toEqual(['gained 64', 'release 32', 'lost 32']);
    expect(a.ownership.mayStart).toBe(true);
    a.releasing = Promise.resolve();
  });

  it('loses all when its connection is ended, starts nothing from then on, and begins anew', async () => {
    await share(FAST);
    const a = await world.add('a');
    const b = await world.add('b');
    await world.fair(a, b);
    await world.moves();
    await terminate('a');
    await lost(a);
    expect(a.mayStartWhenLost).toBe(false);
    await world.fair(a, b);
    // Nothing of the other's has moved but what fairness asks for.
    expect(b.heard.filter((heard) => heard.startsWith('lost'))).toEqual([]);
    expect(a.ownership.mayStart).toBe(true);
  });

  it('gives away no shard of a dispatcher that cannot know yet that its connection is gone', async () => {
    await share(FAST);
    const { proxy, url } = await proxied();
    const a = await world.add('a', { url });
    // Else it is back, as another, before the others have missed it.
    proxy.refusing = true;
    proxy.stall();
    await terminate('a');
    const b = await world.add('b');
    // It believes itself the owner until it is late, and the watch would see who else does.
    expect(a.ownership.mayStart).toBe(true);
    expect(b.shards.size).toBe(0);
    await eventually('b to take over', async () => (b.shards.size > 0 ? true : null));
    expect(a.ownership.mayStart).toBe(false);
    await lost(a);
    proxy.refusing = false;
    await world.fair(a, b);
    expect(await world.moves()).toMatchObject({ 'a → b, silent': expect.any(Number) });
    expect(b.ownership.status().taken.silent).toBeGreaterThan(0);
  });

  it('starts nothing while its beats stay unanswered, is removed by a peer, and comes back', async () => {
    await share(FAST);
    const { proxy, url } = await proxied();
    const a = await world.add('a', { url });
    const b = await world.add('b');
    await world.fair(a, b);
    await world.moves();
    // Else it is back before the others have missed it, when they are slow.
    proxy.refusing = true;
    proxy.stall();
    await eventually('a to be late', async () => (a.ownership.mayStart ? null : true));
    expect([a.shards.size, b.shards.size]).toEqual([32, 32]);
    await eventually('b to have all', async () => (b.shards.size === 64 ? true : null));
    expect(await world.moves()).toEqual({ 'a → b, silent': 32 });
    expect(b.ownership.status().taken.silent).toBe(32);
    await lost(a);
    proxy.refusing = false;
    await world.fair(a, b);
  });

  it('loses all at once when the connection is cut, and begins anew', async () => {
    await share(FAST);
    const { proxy, url } = await proxied();
    const a = await world.add('a', { url });
    proxy.cut();
    await lost(a);
    expect(a.heard).toEqual(['gained 64', 'lost 64']);
    await world.fair(a);
    expect(await world.owned()).toEqual({ a: 64 });
  });

  it('frees what it owned itself, though the server has not heard of the end of its connection, and waits for no silence', async () => {
    await share();
    const url = await forgetful();
    const a = await world.add('a', { url });
    // A private member, since nobody else can break a connection on one side alone.
    (a.ownership as unknown as { tables: { destroy(): void } }).tables.destroy();
    expect(await world.owned()).toEqual({ a: 64 });
    await lost(a);
    expect(await world.fair(a)).toBeLessThan(3_000);
  });

  it('shares anew after Postgres was away', async () => {
    await share(FAST);
    const owners = [await world.add('a'), await world.add('b')];
    await world.fair(...owners);
    const { pathname } = new URL(postgres.url);
    const server = new pg.Client({
      connectionString: Object.assign(new URL(postgres.url), { pathname: '/postgres' }).href,
    });
    await server.connect();
    closing.push(() => server.end());
    await server.query(`alter database ${pathname.slice(1)} with allow_connections false`);
    await Promise.all(['a', 'b'].map(terminate));
    for (const owner of owners) await lost(owner);
    expect(owners.map(({ shards, ownership }) => [shards.size, ownership.mayStart])).toEqual([[0, false], [0, false]]); // prettier-ignore
    await server.query(`alter database ${pathname.slice(1)} with allow_connections true`);
    await world.fair(...owners);
  });

  it('loses all when a peer has taken its row away', async () => {
    await share(FAST);
    const a = await world.add('a');
    await world.query('delete from stepwell_dispatch.dispatchers');
    await lost(a);
    // With it what it owned.
    await world.fair(a);
  });

  it('starts nothing when the wall clock says that it slept, until it has beaten again', async () => {
    await share({ beatMs: 1_000, lateMs: 5_000, silentMs: 7_000 });
    let aheadMs = 0;
    const clock: Clock = { ...systemClock, nowMs: () => systemClock.nowMs() + aheadMs };
    const a = await world.add('a', { clock });
    aheadMs = 6_000;
    expect(a.ownership.mayStart).toBe(false);
    await eventually('the next beat', async () => (a.ownership.mayStart ? true : null));
    expect(a.heard).toEqual(['gained 64']);
    // So long that a peer may have taken its shards: it does not even ask.
    aheadMs = 60_000;
    await lost(a);
    expect(a.mayStartWhenLost).toBe(false);
    await world.fair(a);
  });

  it('stops while it tries in vain to reach Postgres, and twice without harm', async () => {
    await share(FAST);
    const { proxy, url } = await proxied();
    const a = await world.add('a', { url });
    await proxy.stop();
    await lost(a);
    await a.ownership.stop();
    await a.ownership.stop();
    expect(a.ownership.status()).toMatchObject({ shards: [], mayStart: false });
  });

  it('refuses to start where there is no Postgres', async () => {
    await share(FAST);
    const { proxy, url } = await proxied();
    await proxy.stop();
    await expect(world.add('a', { url })).rejects.toThrow('ECONNREFUSED');
  });

  it('shares nothing with another schema of the same database', async () => {
    await share(FAST);
    const a = await world.add('a');
    const other = await world.add('other', { schema: 'another' });
    expect(other.shards.size).toBe(64);
    expect(a.shards.size).toBe(64);
    await other.ownership.stop();
    world.doubles.length = 0;
  });

  it('keeps a bounded number of moves', async () => {
    await share(FAST);
    const a = await world.add('a');
    await a.ownership.stop();
    await world.query(`insert into stepwell_dispatch.shard_moves (shard, to_dispatcher, reason)
      select 1, 'x', 'joined' from generate_series(1, 11000)`);
    await world.add('b');
    const [kept] = await world.query<{ moves: number }>(
      'select count(*)::integer as moves from stepwell_dispatch.shard_moves',
    );
    expect(kept!.moves).toBe(10_000);
  });

  it('joins soon though one with the lock of the tables was cut off, and the server has not heard of it', async () => {
    await share();
    const client = new pg.Client(postgres.url);
    client.on('error', () => undefined);
    await client.connect();
    // Has begun and got the lock; from then on nothing more comes of it, not even an end.
    let statements = 0;
    const query = (text: string, values?: unknown[]): Promise<unknown> =>
      ++statements > 2 ? new Promise(() => undefined) : client.query(text, values);
    void migrate({ query } as unknown as pg.ClientBase, DISPATCH_SCHEMA); // a reason for the cast: nothing else of it is used
    await eventually('the lock to be held', async () => (statements > 2 ? true : null));
    await world.fair(await world.add('a'));
  });

  it('refuses tables of a newer release', async () => {
    await share(FAST);
    await (await world.add('a')).ownership.stop();
    await world.query('update stepwell_dispatch.schema_version set version = 99');
    await expect(world.add('b')).rejects.toThrow('a newer Stepwell has been here');
  });
});
