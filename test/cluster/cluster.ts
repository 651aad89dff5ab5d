import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import { startSampleApp, type StartedApp } from '../support/apps.js';
import { startPostgres, type TestPostgres } from '../support/postgres.js';
import { httpCall } from '../support/http-client.js';
import { pause } from '../support/pause.js';
import { built, Child, freePort } from '../support/processes.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { RelayTopic } from './relay-topic.js';

export type Role = 'workflow-api' | 'dispatcher' | 'projector';

/** One process of the cluster, started again under the same name and on the same port. */
export class Member {
  child: Child | null = null;
  /** Ends that nobody asked for, with what was printed. */
  readonly unexpectedEnds: string[] = [];
  frozen = false;
  /** What was said by starts that failed since a store could not be reached; it was started again, as any supervisor would. */
  readonly failedStarts: string[] = [];
  #wanted = false;

  constructor(
    readonly name: string,
    readonly entry: string,
    readonly args: readonly string[],
    readonly env: Readonly<Record<string, string>>,
    readonly port: number,
    readonly folder: string,
    readonly execArgv: readonly string[] = [],
  ) {}

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  start(): void {
    const { args, env, folder, execArgv } = this;
    const child = new Child(this.name, built(this.entry), { args, env, cwd: folder, execArgv });
    this.child = child;
    this.#wanted = true;
    void child.exited().then((ended) => {
      if (!this.#wanted || this.child !== child) return;
      if (ended === 1 && child.output.includes('the start has failed')) this.failedStarts.push(child.output);
      else this.unexpectedEnds.push(`${this.name} ended with ${ended}:\n${child.output.slice(-OUTPUT_SHOWN)}`);
      this.start();
    });
  }

  /** Waits until it is ready, whichever of its starts that is. */
  async ready(timeoutMs: number): Promise<void> {
    const untilMs = performance.now() + timeoutMs;
    for (;;) {
      const answer = await httpCall('GET', `${this.url}/readyz`, { timeoutMs: 1_000 }).catch(() => null);
      if (answer?.status === 200) return;
      if (performance.now() > untilMs)
        throw new Error(
          `${this.name} was not ready in ${timeoutMs} ms: ${answer?.text}\n${this.child?.output}\n` +
            `${this.failedStarts.length} starts have failed, the last one with ${this.failedStarts.at(-1)}`,
        );
      await pause(50);
    }
  }

  /** SIGKILL; what ended before by itself is noted. */
  async kill(): Promise<void> {
    const { child } = this;
    if (child === null) return;
    this.#wanted = false;
    child.kill();
    await child.exited();
    this.frozen = false;
  }

  freeze(): void {
    this.frozen = true;
    this.child?.process.kill('SIGSTOP');
  }

  thaw(): void {
    this.frozen = false;
    this.child?.process.kill('SIGCONT');
  }

  /** SIGTERM; gives the exit code or the signal. */
  async stop(): Promise<number | string | null> {
    this.#wanted = false;
    return (await this.child?.stop(STOP_GRACE_MS)) ?? null;
  }
}

const STOP_GRACE_MS = 30_000;
const OUTPUT_SHOWN = 3_000;

const READY_TIMEOUT_MS = 60_000;
const SPAWN = {
  workflowApi: 'apps/workflow-api/src/main.js',
  dispatcher: 'apps/dispatcher/src/main.js',
  projector: 'apps/projector/src/main.js',
} as const;
/** A connection string that names one node, without discovery of others. */
const ONE_NODE = /^(?<before>(?:esdb|kurrentdb):\/\/(?:[^@/?]*@)?)(?<host>[^@/?:,]+)(?::(?<port>\d+))?(?=[/?]|$)/;
/** Of a node that names none. */
const EVENT_STORE_PORT = 2113;
const DOUBLE = 'test/support/eventstoredb-double/main.js';

export type ShardMove = {
  readonly shard: number;
  readonly from: string | null;
  readonly to: string;
  readonly reason: string;
  readonly atMs: number;
};

export type ClusterShape = {
  readonly apis: number;
  readonly dispatchers: number;
  readonly projectors: number;
  /** Connects the apps with their stores without a proxy between: for measuring. */
  readonly direct?: boolean;
  /** Has the projectors publish what happens to the Kafka broker at hand. */
  readonly relay?: boolean;
  /** Where each app writes a CPU profile when it stops. */
  readonly profilesTo?: string;
};

/** The production shape as processes on this machine: a real event store by its URL, else the double of it; Postgres; Kafka; the apps. */
export class Cluster {
  readonly apis: Member[] = [];
  readonly dispatchers: Member[] = [];
  readonly projectors: Member[] = [];
  private dispatchersMade = 0;

  private constructor(
    readonly app: StartedApp,
    readonly postgres: TestPostgres,
    /** `null` when a real server is used: it is not ours to kill. */
    readonly eventStore: Member | null,
    /** Between the apps and their stores. */
    readonly proxies: { readonly eventStore: TcpProxy | null; readonly postgres: TcpProxy },
    readonly relayTopic: RelayTopic | null,
    readonly env: Readonly<Record<string, string>>,
    private readonly folder: string,
    /** Ends what the apps stand on. */
    private readonly endStores: () => Promise<void>,
  ) {}

  static async start(
    folder: string,
    shape: ClusterShape,
    more: Readonly<Record<string, string>> = {},
  ): Promise<Cluster> {
    const ends: (() => Promise<unknown>)[] = [];
    const endStores = async (): Promise<void> => {
      for (const end of ends.splice(0).reverse()) await end();
    };
    let cluster: Cluster | null = null;
    try {
      const app = await startSampleApp();
      ends.push(() => app.child.stop());
      const postgres = await startPostgres();
      ends.push(() => postgres.stop());
      const real = process.env['STEPWELL_TEST_EVENTSTOREDB_URL'];
      const eventStore = real === undefined ? await startDouble(folder) : null;
      ends.push(async () => eventStore?.stop());
      const relayTopic = shape.relay === true ? await RelayTopic.start() : null;
      ends.push(async () => relayTopic?.stop());
      const eventStoreUrl = real ?? `esdb://127.0.0.1:${eventStore!.port}?tls=false`;
      const proxies = {
        eventStore: shape.direct === true ? null : proxyTo(eventStoreUrl),
        postgres: new TcpProxy(Number(new URL(postgres.url).port)),
      };
      ends.push(() => Promise.all([proxies.eventStore?.stop(), proxies.postgres.stop()]));
      await Promise.all([proxies.eventStore?.start(), proxies.postgres.start()]);
      const viewsUrl = new URL(postgres.url);
      if (shape.direct !== true) viewsUrl.port = String(proxies.postgres.port);
      const env = {
        STEPWELL_EVENT_STORE: 'eventstoredb',
        STEPWELL_EVENTSTOREDB_URL:
          proxies.eventStore === null
            ? eventStoreUrl
            : eventStoreUrl.replace(ONE_NODE, `$<before>127.0.0.1:${proxies.eventStore.port}`),
        STEPWELL_VIEWS_URL: viewsUrl.href,
        STEPWELL_LOG_LEVEL: 'warn',
        ...(relayTopic !== null && {
          STEPWELL_KAFKA_BROKERS: relayTopic.brokers.join(','),
          STEPWELL_KAFKA_TOPIC: relayTopic.name,
        }),
        ...more,
      };
      cluster = new Cluster(app, postgres, eventStore, proxies, relayTopic, env, folder, endStores);
      await cluster.startApps(shape);
      return cluster;
    } catch (fault) {
      await (cluster === null ? endStores() : cluster.abandon());
      throw fault;
    }
  }

  get members(): readonly Member[] {
    return [...this.apis, ...this.dispatchers, ...this.projectors];
  }

  /** Adds a dispatcher, and waits until it is ready. */
  async joinDispatcher(): Promise<void> {
    this.dispatchersMade += 1;
    const member = await this.member(`dispatcher-${this.dispatchersMade}`, SPAWN.dispatcher, []);
    this.dispatchers.push(member);
    member.start();
    await member.ready(READY_TIMEOUT_MS);
  }

  private async startApps(shape: ClusterShape): Promise<void> {
    const { profilesTo } = shape;
    const member = (role: string, n: number, entry: string): Promise<Member> => {
      const name = `${role}-${n}`;
      const profile = ['--cpu-prof', `--cpu-prof-dir=${profilesTo}`, `--cpu-prof-name=${name}.cpuprofile`];
      return this.member(name, entry, profilesTo === undefined ? [] : profile);
    };
    for (let n = 1; n <= shape.apis; n++) this.apis.push(await member('api', n, SPAWN.workflowApi));
    for (let n = 1; n <= shape.dispatchers; n++) this.dispatchers.push(await member('dispatcher', n, SPAWN.dispatcher));
    for (let n = 1; n <= shape.projectors; n++) this.projectors.push(await member('projector', n, SPAWN.projector));
    this.dispatchersMade = shape.dispatchers;
    for (const member of this.members) member.start();
    await Promise.all(this.members.map((member) => member.ready(READY_TIMEOUT_MS)));
  }

  private async member(name: string, entry: string, execArgv: readonly string[]): Promise<Member> {
    const port = await freePort();
    const folder = join(this.folder, name);
    await mkdir(folder, { recursive: true });
    return new Member(name, entry, [], { ...this.env, STEPWELL_PORT: String(port) }, port, folder, execArgv);
  }

  /** Which shards came to which dispatcher, as the dispatchers have recorded it. */
  moves(): Promise<readonly ShardMove[]> {
    return this.query<ShardMove>(
      `select shard, from_dispatcher as "from", to_dispatcher as "to", reason,
        (extract(epoch from at) * 1000)::float8 as "atMs"
      from stepwell_dispatch.shard_moves order by id`,
    );
  }

  /** The shards that a dispatcher owns now. */
  async shardsOf(dispatcher: string): Promise<readonly number[]> {
    const rows = await this.query<{ shard: number }>(
      `select shard from stepwell_dispatch.shards where holder = $1 and owner is not null`,
      [dispatcher],
    );
    return rows.map(({ shard }) => shard);
  }

  /** How the dispatchers share the limit of a target now, the greatest part first. */
  async sharesOf(target: string): Promise<readonly number[]> {
    const rows = await this.query<{ slots: number }>(
      `select slots::integer from limit_shares
      where limit_id = $1 and leased_until > clock_timestamp() order by slots desc`,
      [JSON.stringify(['target', target])],
    );
    return rows.map(({ slots }) => slots);
  }

  /** How often a relay has begun to publish: at the start, and after each that was killed, frozen or cut off. */
  async relays(): Promise<number> {
    const rows = await this.query<{ epoch: number }>(`select epoch::integer from relay_checkpoint`);
    return rows[0]?.epoch ?? 0;
  }

  /** How many appends the apps have made, as they count. */
  async appends(): Promise<number> {
    const counts = [...this.apis, ...this.dispatchers].map(async ({ url }) => {
      const { text } = await httpCall('GET', `${url}/metrics`);
      return Number(/^stepwell_appends_total\{outcome="appended"\} (\d+)$/m.exec(text)?.[1] ?? Number.NaN);
    });
    return (await Promise.all(counts)).reduce((sum, count) => sum + count, 0);
  }

  /** How many statements Postgres has carried out for the apps; `null` on a server that does not count them. */
  async statements(): Promise<number | null> {
    try {
      await this.query('create extension if not exists pg_stat_statements');
      const [row] = await this.query<{ calls: number }>(
        `select sum(calls)::float8 as calls from pg_stat_statements
        where dbid = (select oid from pg_database where datname = current_database())`,
      );
      return row?.calls ?? null;
    } catch {
      return null;
    }
  }

  private async query<Row extends pg.QueryResultRow>(text: string, values: readonly unknown[] = []): Promise<Row[]> {
    const client = new pg.Client(this.postgres.url);
    await client.connect();
    try {
      return (await client.query<Row>(text, [...values])).rows;
    } finally {
      await client.end();
    }
  }

  /** SIGTERM to the apps, the stores last. Gives how each app ended. */
  async stop(): Promise<ReadonlyMap<string, number | string | null>> {
    const ends = new Map<string, number | string | null>();
    await Promise.all(this.members.map(async (member) => ends.set(member.name, await member.stop())));
    await this.abandon();
    return ends;
  }

  /** Leaves nothing behind. */
  async abandon(): Promise<void> {
    await Promise.all(this.members.map((member) => member.kill()));
    await this.endStores();
  }
}

/** `null` for one that nothing can stand before: several nodes, or one whose certificate names its host. */
const proxyTo = (url: string): TcpProxy | null => {
  const node = ONE_NODE.exec(url)?.groups;
  if (node === undefined || !/[?&]tls=false\b/i.test(url)) return null;
  return new TcpProxy(Number(node['port'] ?? EVENT_STORE_PORT), node['host']);
};

const startDouble = async (parent: string): Promise<Member> => {
  const port = await freePort();
  const folder = join(parent, 'event-store');
  await mkdir(folder, { recursive: true });
  const member = new Member('event store', DOUBLE, ['--port', String(port), '--data-dir', folder], {}, port, folder);
  member.start();
  await member.child!.printed(/listening on/);
  return member;
};
