import { NestFactory } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { DEFAULT_RUN_LIMITS, type JsonText } from '#domain';
import { Catalogue, RunEngine, type Committed, type Owner } from '#engine';
import { MemoryEventStore } from '#event-store';
import { loadConfig, nodeInfo, silentLog, systemClock, systemEntropy } from '#runtime';
import type { WorkflowApiParts } from '../src/parts.js';
import { createHttpAdapter, WorkflowApiModule, type HttpAdapter } from '../src/workflow-api.module.js';

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

/** Completes every attempt at once with `{"ok":true}`; steps that are held stay in flight until they are let go. */
export class InstantOwner implements Owner {
  readonly boot = 'boot1';
  readonly held = new Set<string>();
  engine: RunEngine | null = null;
  grants = true;

  grant() {
    return this.grants ? { dispatcher: 'd1', boot: this.boot } : null;
  }

  endpointOf(): null {
    return null;
  }

  refund(): void {}

  bootOf(): string {
    return this.boot;
  }

  stalled(): void {}

  inherits(): boolean {
    return true;
  }

  met(): void {}

  committed({ runId, attempts }: Committed): void {
    for (const { step: key, attempt } of attempts) {
      if (this.held.has(key)) continue;
      const output = '{"ok":true}' as JsonText;
      setImmediate(() =>
        this.engine?.submit(
          runId,
          { type: 'CompleteAttempt', step: key, attempt, status: 200, output },
          { actor: null, traceparent: null },
          null,
        ),
      );
    }
  }
}

export type TestApi = {
  readonly app: NestFastifyApplication;
  readonly url: string;
  readonly owner: InstantOwner;
  readonly catalogue: Catalogue;
  readonly store: MemoryEventStore;
  readonly engine: RunEngine;
  readonly http: HttpAdapter;
  stop(): Promise<void>;
};

/** The HTTP edge on a free port over the engine and a store in memory, without a dispatcher. */
export const startTestApi = async (
  change: Partial<WorkflowApiParts> = {},
  given?: MemoryEventStore,
): Promise<TestApi> => {
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
  const parts = {
    runs: engine,
    store,
    catalogue,
    clock: systemClock,
    log: silentLog,
    config,
    lists: {
      listRuns: async () => ({ status: 'page', items: '[]', nextCursor: null, position: 0 }),
      listSteps: async () => ({ status: 'page', items: '[]', nextCursor: null, position: 0 }),
      waitFor: async () => true,
    },
    health: { readiness: async () => ({ status: 'ready', parts: {} }) },
    node: nodeInfo(config, {
      roles: ['workflow-api'],
      versions: { eventStoreServer: null, viewsSchema: null },
      state: () => ({ shards: { owned: 0, acting: 0, of: 64 } }),
    }),
    metrics: {},
    tracer: null,
    ...change,
  } as unknown as WorkflowApiParts;
  const http = createHttpAdapter(parts.config);
  const app = await NestFactory.create<NestFastifyApplication>(WorkflowApiModule.with(parts, http), http.adapter, {
    bodyParser: false,
    logger: false,
  });
  await app.listen(0, '127.0.0.1');
  const url = (await app.getUrl()).replace('[::1]', '127.0.0.1');
  return {
    app,
    url,
    owner,
    catalogue,
    store,
    engine,
    http,
    stop: async () => {
      await app.close();
      await engine.stop();
      await catalogue.stop();
      if (given === undefined) await store.stop();
    },
  };
};
