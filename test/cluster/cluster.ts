import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { startSampleApp, type StartedApp } from '../support/apps.js';
import { startPostgres, type TestPostgres } from '../support/postgres.js';
import { built, Child, freePort } from '../support/processes.js';
import { TcpProxy } from '../support/tcp-proxy.js';

export type Role = 'workflow-api' | 'dispatcher' | 'projector';

/** One process of the cluster, started again under the same name and on the same port. */
export class Member {
  child: Child | null = null;
  /** Ends that nobody asked for, with what was printed. */
  readonly unexpectedEnds: string[] = [];
  frozen = false;

  constructor(
    readonly name: string,
    readonly entry: string,
    readonly args: readonly string[],
    readonly env: Readonly<Record<string, string>>,
    readonly port: number,
    readonly folder: string,
  ) {}

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  start(): void {
    const { args, env, folder } = this;
    this.child = new Child(this.name, built(this.entry), { args, env, cwd: folder });
  }

  async ready(timeoutMs: number): Promise<void> {
    await this.child?.ready(`${this.url}/readyz`, timeoutMs);
  }

  /** SIGKILL; what ended before by itself is noted. */
  async kill(): Promise<void> {
    const { child } = this;
    if (child === null) return;
    child.kill();
    const ended = await child.exited();
    if (ended !== 'SIGKILL')
      this.unexpectedEnds.push(`${this.name} ended with ${ended}:\n${child.output.slice(-3000)}`);
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
    return (await this.child?.stop(30_000)) ?? null;
  }
}

const SPAWN = { workflowApi: 'apps/workflow-api/src/main.js', dispatcher: 'apps/dispatcher/src/main.js' } as const;
const DOUBLE = 'test/support/eventstoredb-double/main.js';

export type ClusterShape = { readonly apis: number; readonly dispatchers: number; readonly projectors: number };

/** The production shape as processes on this machine: a real event store by its URL, else the double of it; Postgres; the apps. */
export class Cluster {
  readonly apis: Member[] = [];
  readonly dispatchers: Member[] = [];
  readonly projectors: Member[] = [];

  private constructor(
    readonly app: StartedApp,
    readonly postgres: TestPostgres,
    /** `null` when a real server is used: it is not ours to kill. */
    readonly eventStore: Member | null,
    /** Between the apps and their stores. */
    readonly proxies: { readonly eventStore: TcpProxy | null; readonly postgres: TcpProxy },
    readonly env: Readonly<Record<string, string>>,
  ) {}

  static async start(
    folder: string,
    shape: ClusterShape,
    more: Readonly<Record<string, string>> = {},
  ): Promise<Cluster> {
    const app = await startSampleApp();
    const postgres = await startPostgres();
    const real = process.env['STEPWELL_TEST_EVENTSTOREDB_URL'];
    const eventStore = real === undefined ? await startDouble(folder) : null;
    const proxies = {
      eventStore: eventStore === null ? null : new TcpProxy(eventStore.port),
      postgres: new TcpProxy(Number(new URL(postgres.url).port)),
    };
    await Promise.all([proxies.eventStore?.start(), proxies.postgres.start()]);
    const viewsUrl = new URL(postgres.url);
    viewsUrl.port = String(proxies.postgres.port);
    const env = {
      STEPWELL_EVENT_STORE: 'eventstoredb',
      STEPWELL_EVENTSTOREDB_URL: real ?? `esdb://127.0.0.1:${proxies.eventStore!.port}?tls=false`,
      STEPWELL_VIEWS_URL: viewsUrl.href,
      STEPWELL_LOG_LEVEL: 'warn',
      ...more,
    };
    const cluster = new Cluster(app, postgres, eventStore, proxies, env);
    for (let n = 1; n <= shape.apis; n++)
      cluster.apis.push(await cluster.member(`api-${n}`, SPAWN.workflowApi, folder));
    for (let n = 1; n <= shape.dispatchers; n++)
      cluster.dispatchers.push(await cluster.member(`dispatcher-${n}`, SPAWN.dispatcher, folder));
    for (let n = 1; n <= shape.projectors; n++)
      cluster.projectors.push(await cluster.member(`projector-${n}`, 'apps/projector/src/main.js', folder));
    for (const member of cluster.members) member.start();
    await Promise.all(cluster.members.map((member) => member.ready(60_000)));
    return cluster;
  }

  get members(): readonly Member[] {
    return [...this.apis, ...this.dispatchers, ...this.projectors];
  }

  private async member(name: string, entry: string, parent: string): Promise<Member> {
    const port = await freePort();
    const folder = join(parent, name);
    await mkdir(folder, { recursive: true });
    return new Member(name, entry, [], { ...this.env, STEPWELL_PORT: String(port) }, port, folder);
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
    for (const member of this.members) if (member.child?.ended === null) member.child.kill();
    await Promise.all([this.proxies.eventStore?.stop(), this.proxies.postgres.stop()]);
    await this.eventStore?.child?.stop();
    await Promise.all([this.postgres.stop(), this.app.child.stop()]);
  }
}

const startDouble = async (parent: string): Promise<Member> => {
  const port = await freePort();
  const folder = join(parent, 'event-store');
  await mkdir(folder, { recursive: true });
  const member = new Member('event store', DOUBLE, ['--port', String(port), '--data-dir', folder], {}, port, folder);
  member.start();
  await member.child!.printed(/listening on/);
  return member;
};
