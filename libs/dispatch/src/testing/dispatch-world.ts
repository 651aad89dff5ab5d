import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  DEFAULT_RETRY,
  DEFAULT_RUN_LIMITS,
  type JsonText,
  type Plan,
  type Policy,
  type RetryPolicy,
  type StartRun,
  type StepNode,
} from '#domain';
import { NOBODY, RunEngine, type LoadedRun, type PlanSource, type RunId, type StartReply } from '#engine';
import { MemoryEventStore, type EventStore } from '#event-store';
import { sha256Base32, silentLog, systemClock, systemEntropy, type Clock, type Log } from '#runtime';
import { Dispatcher, type DispatcherOptions } from '../dispatcher.js';
import type { LimitShares } from '../flow/limit-shares.js';
import { SingleOwner } from '../shards/single-owner.js';
import { MemoryOpenRuns, type OpenRuns } from '../open-runs/open-runs.js';

export type Handler = (request: IncomingMessage, response: ServerResponse, body: string) => void;

/** An application of the test's own: each path a handler. */
export class Application {
  readonly requests: { path: string; headers: IncomingMessage['headers']; body: string }[] = [];
  private readonly handlers = new Map<string, Handler>();
  private readonly server: Server = createServer((request, response) => this.serve(request, response));

  on(path: string, handler: Handler): this {
    this.handlers.set(path, handler);
    return this;
  }

  async start(): Promise<string> {
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private serve(request: IncomingMessage, response: ServerResponse): void {
    let body = '';
    request.setEncoding('utf8');
    request.on('data', (chunk: string) => (body += chunk));
    request.on('error', () => undefined);
    request.on('end', () => {
      const path = request.url ?? '';
      this.requests.push({ path, headers: request.headers, body });
      const handler = this.handlers.get(path);
      if (handler !== undefined) return handler(request, response, body);
      json(response, 200, { path });
    });
  }
}

export const json = (
  response: ServerResponse,
  status: number,
  value: unknown,
  headers: Record<string, string> = {},
): void => {
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  response.end(JSON.stringify(value));
};

/** One step that the test describes. */
export const stepPlan = (
  url: string,
  { timeouts, ...change }: Partial<StepNode> & Partial<Pick<Policy, 'timeouts'>> = {},
  retry: Partial<RetryPolicy> = {},
): Plan => ({
  v: 1,
  output: null,
  timeoutMs: null,
  scopes: [{ entry: 0, container: null, slot: null }],
  policies: [
    {
      retry: { ...DEFAULT_RETRY, initialIntervalMs: 20, jitter: 'none', ...retry },
      timeouts: timeouts ?? { connectMs: 500, answerMs: 2_000, stepMs: null },
    },
  ],
  nodes: [
    {
      id: 0,
      name: 'only',
      scope: 0,
      next: null,
      type: 'step',
      input: null,
      output: null,
      as: null,
      url,
      target: null,
      query: null,
      method: 'POST',
      headers: {},
      contentType: 'application/json',
      policy: 0,
      ...change,
    },
  ],
});

/** Engine and dispatcher over a store, with one plan for every run. */
export class DispatchWorld {
  readonly store: EventStore;
  readonly openRuns: OpenRuns;
  readonly engine: RunEngine;
  readonly dispatcher: Dispatcher;

  readonly ownership = new SingleOwner();

  constructor(
    readonly plan: Plan,
    private readonly parts: {
      store?: EventStore;
      openRuns?: OpenRuns;
      shares?: LimitShares;
      /** By the name that a start gives as its plan; of any other name it is `plan`. */
      plans?: ReadonlyMap<string, Plan>;
      options?: Partial<DispatcherOptions>;
      clock?: Clock;
      log?: Log;
    } = {},
  ) {
    this.store = parts.store ?? new MemoryEventStore();
    this.openRuns = parts.openRuns ?? new MemoryOpenRuns();
    const plans: PlanSource = {
      cachedPlan: (hash) => this.planOf(hash),
      plan: (hash) => Promise.resolve(this.planOf(hash)),
    };
    const { clock = systemClock, log = silentLog } = parts;
    this.engine = new RunEngine(this.store, plans, clock, systemEntropy, log, {
      limits: DEFAULT_RUN_LIMITS,
    });
    const options: DispatcherOptions = {
      attemptsMax: 1_024,
      limits: [],
      breaker: { faults: 5, openMs: 1_000, openMaxMs: 60_000 },
      attemptsPerOriginMax: 512,
      connectionsPerOriginMax: 128,
      payloadMaxBytes: 64 * 1024,
      graceMs: 200,
      name: 'd1',
      ...parts.options,
    };
    const { store, engine, openRuns } = this;
    const { shares } = parts;
    this.dispatcher = new Dispatcher(
      store,
      engine,
      openRuns,
      this.ownership,
      clock,
      systemEntropy,
      log,
      options,
      shares,
    );
  }

  async start(): Promise<this> {
    await this.store.start();
    await this.dispatcher.start();
    return this;
  }

  async stop(): Promise<void> {
    await this.dispatcher.stop();
    await this.store.stop();
  }

  startRun(key: string, input: unknown = { hello: 'world' }, change: Partial<StartRun> = {}): Promise<StartReply> {
    return new Promise((settle) =>
      this.engine.start(runIdOf(key), startCommand(key, input, change), this.planOf(change.plan ?? ''), NOBODY, settle),
    );
  }

  private planOf(hash: string): Plan {
    return this.parts.plans?.get(hash) ?? this.plan;
  }

  ended(key: string): Promise<LoadedRun | null> {
    return new Promise((resolve) => this.engine.whenEnded(runIdOf(key), resolve));
  }

  async run(key: string, input?: unknown, change?: Partial<StartRun>): Promise<LoadedRun> {
    await this.startRun(key, input, change);
    const loaded = await this.ended(key);
    if (loaded === null) throw new Error('no such run');
    return loaded;
  }
}

export const runIdOf = (key: string): RunId => sha256Base32(`start\ndefault\ntest\n${key}`, 128) as RunId;

export const startCommand = (key: string, input: unknown, change: Partial<StartRun>): StartRun => ({
  type: 'StartRun',
  id: runIdOf(key),
  key,
  workflow: 'test',
  version: 1,
  plan: 'hash',
  namespace: 'default',
  queue: 'default',
  tags: {},
  correlationId: null,
  requestor: null,
  fingerprint: JSON.stringify(input),
  fromStep: null,
  timeoutMs: null,
  variables: '{}' as JsonText,
  input: JSON.stringify(input) as JsonText,
  ...change,
});
