import type { DynamicModule, Provider } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { DEFAULT_RUN_LIMITS, type JsonText } from '#domain';
import { Catalogue, NOBODY, RunEngine, Runs, type Committed, type Owner } from '#engine';
import { EventStore, MemoryEventStore, type Position } from '#event-store';
import {
  Clock,
  loadConfig,
  Log,
  MetricsPage,
  nodeInfo,
  NodeInfo,
  silentLog,
  systemClock,
  systemEntropy,
  type Config,
  type Tracer,
} from '#runtime';
import { ProcessReport, type PartReport } from '../../modules/src/process-report.js';
import { RunLists } from '../../modules/src/run-lists.js';
import { CONFIG, PROCESS, TRACER } from '../../modules/src/tokens.js';
import { problemsOf } from '../src/docs/openapi-document.js';
import type { EndpointDescription } from '../src/http/endpoint.js';
import type { ProblemCode } from '../src/http/problems.js';
import { createApiAdapter, WorkflowApiModule } from '../src/workflow-api.module.js';

const step = (name: string) => ({ type: 'step', name, url: `/steps/${name}`, headers: { 'x-team': 'growth' } });

/** create-user, then email beside analytics. */
export const THREE_STEPS = {
  tags: { team: 'growth' },
  target: 'http://127.0.0.1:4000',
  root: {
    type: 'sequence',
    steps: [step('create-user'), { type: 'parallel', name: 'parallel1', branches: [step('email'), step('analytics')] }],
  },
};

/** Completes every attempt at once with `{"ok":true}`, or what the test says; steps that are held stay in flight until they are let go. */
export class InstantOwner implements Owner {
  readonly boot = 'boot1';
  readonly origin = { actor: 'd1', traceparent: null };
  readonly held = new Set<string>();
  /** JSON by the key of a step. */
  readonly outputs = new Map<string, string>();
  engine: RunEngine | null = null;
  grants = true;

  grant() {
    return this.grants ? { dispatcher: 'd1', boot: this.boot } : null;
  }

  refund(): void {}

  holds(): boolean {
    return true;
  }

  bootOf(): string {
    return this.boot;
  }

  stalled(): void {}

  holdUpOf(): null {
    return null;
  }

  isUnsent(): boolean {
    return false;
  }

  withhold(): void {}

  inherits(): boolean {
    return true;
  }

  observed(): void {}

  committed({ runId, attempts }: Committed): void {
    for (const { step: key, attempt } of attempts) {
      if (this.held.has(key)) continue;
      const output = (this.outputs.get(key) ?? '{"ok":true}') as JsonText;
      setImmediate(() =>
        this.engine?.submit(runId, { type: 'CompleteAttempt', step: key, attempt, status: 200, output }, NOBODY, null),
      );
    }
  }
}

export type TestApi = {
  readonly app: NestFastifyApplication;
  readonly adapter: ReturnType<typeof createApiAdapter>;
  readonly url: string;
  readonly owner: InstantOwner;
  readonly catalogue: Catalogue;
  readonly store: MemoryEventStore;
  readonly engine: RunEngine;
  stop(): Promise<void>;
};

/** What a test may put in the place of a part, or beside the modules of the API. */
export type TestApiParts = {
  readonly runs?: Runs;
  readonly lists?: RunLists;
  readonly log?: Log;
  readonly tracer?: Tracer;
  readonly report?: PartReport;
  readonly providers?: readonly Provider[];
  /** It answers with what no document can know, such as what a guard of the test says. */
  readonly unplanned?: boolean;
};

const NO_LISTS: RunLists = {
  listRuns: async () => ({ status: 'page', items: '[]', nextCursor: null, position: 0 as Position }),
  listSteps: async () => ({ status: 'page', items: '[]', nextCursor: null, position: 0 }) as never,
  waitFor: async () => true,
};

class TestParts {}
class TestApp {}

/** The HTTP edge on a free port over the engine and a store in memory, without a dispatcher. */
export const startTestApi = async (change: TestApiParts = {}, given?: MemoryEventStore): Promise<TestApi> => {
  const config = loadConfig({});
  const store = given ?? new MemoryEventStore();
  await store.start();
  const catalogue = new Catalogue(store, systemClock, systemEntropy, silentLog, config.limits);
  await catalogue.start();
  await catalogue.publish('welcome', { document: THREE_STEPS, text: JSON.stringify(THREE_STEPS), format: 'json' });
  const engine = new RunEngine(store, catalogue, systemClock, systemEntropy, silentLog, { limits: DEFAULT_RUN_LIMITS });
  const owner = new InstantOwner();
  owner.engine = engine;
  engine.ownedBy(owner);
  const report = new ProcessReport(systemClock);
  report.add(change.report ?? {});
  const parts: DynamicModule = {
    module: TestParts,
    global: true,
    providers: [
      { provide: CONFIG, useValue: config },
      { provide: PROCESS, useValue: { name: 'workflow-api', roles: ['workflow-api'], alone: true } },
      { provide: TRACER, useValue: change.tracer ?? null },
      { provide: Log, useValue: change.log ?? silentLog },
      { provide: Clock, useValue: systemClock },
      { provide: ProcessReport, useValue: report },
      { provide: MetricsPage, useValue: new MetricsPage(report.metrics) },
      { provide: NodeInfo, useValue: describeNode(config) },
      { provide: EventStore, useValue: store },
      { provide: Catalogue, useValue: catalogue },
      { provide: Runs, useValue: change.runs ?? engine },
      { provide: RunLists, useValue: change.lists ?? NO_LISTS },
    ],
    exports: [
      ...[CONFIG, PROCESS, TRACER, Log, Clock, ProcessReport, MetricsPage, NodeInfo],
      ...[EventStore, Catalogue, Runs, RunLists],
    ],
  };
  const adapter = createApiAdapter(config);
  const undocumented = change.unplanned === true ? [] : watchAnswers(adapter);
  const root = { module: TestApp, imports: [parts, WorkflowApiModule], providers: [...(change.providers ?? [])] };
  const app = await NestFactory.create<NestFastifyApplication>(root, adapter, { bodyParser: false, logger: false });
  await app.listen(0, '127.0.0.1');
  const url = (await app.getUrl()).replace('[::1]', '127.0.0.1');
  const stop = async (): Promise<void> => {
    await app.close();
    await engine.stop();
    await catalogue.stop();
    if (given === undefined) await store.stop();
    if (undocumented.length > 0) throw new Error(`the document does not tell of ${undocumented.join(', ')}`);
  };
  return { app, adapter, url, owner, catalogue, store, engine, stop };
};

const describeNode = (config: Config): NodeInfo =>
  nodeInfo(config, {
    roles: ['workflow-api'],
    versions: () => ({ eventStoreServer: null, viewsSchema: null }),
    state: () => ({ shards: { owned: 0, acting: 0, of: 64 } }),
  });

/** Gathers what is answered at an endpoint without being in its description: route, status and code. */
const watchAnswers = (adapter: ReturnType<typeof createApiAdapter>): readonly string[] => {
  const undocumented: string[] = [];
  adapter.getInstance().addHook('onSend', ({ method, routeOptions }, { statusCode: status }, payload, done) => {
    const { endpoint } = routeOptions.config as { readonly endpoint?: EndpointDescription };
    if (endpoint !== undefined && !isDocumented(endpoint, status, payload))
      undocumented.push(`${method} ${endpoint.path} ${status} ${String(payload).slice(0, 200)}`);
    done();
  });
  return undocumented;
};

const isDocumented = (endpoint: EndpointDescription, status: number, payload: unknown): boolean => {
  if (status < 400) return status in endpoint.answers;
  if (typeof payload !== 'string' || payload === '') return true; // of HEAD
  const { code } = JSON.parse(payload) as { readonly code: ProblemCode };
  return problemsOf(endpoint).includes(code);
};
