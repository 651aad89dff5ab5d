import { NestFactory } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { DEFAULT_RETRY, DEFAULT_RUN_LIMITS, type JsonText, type Plan } from '#domain';
import { RunEngine, type Committed, type Owner } from '#engine';
import { MemoryEventStore } from '#event-store';
import { canonicalJson, loadConfig, sha256Hex, silentLog, systemClock, systemEntropy } from '#runtime';
import { HttpProblem } from '../src/http/problems.js';
import type { WorkflowApiParts } from '../src/parts.js';
import type { Startable, StartablePlans } from '../src/runs/startable.js';
import { createHttpAdapter, WorkflowApiModule, type HttpAdapter } from '../src/workflow-api.module.js';

/** create-user, then send-email beside send-analytics. */
export const THREE_STEPS: Plan = {
  v: 1,
  timeoutMs: null,
  scopes: [
    { entry: 0, container: null, branch: null },
    { entry: 2, container: 1, branch: 0 },
    { entry: 3, container: 1, branch: 1 },
  ],
  nodes: [
    step(0, 'create-user', 0, 1),
    {
      id: 1,
      type: 'parallel',
      name: 'parallel1',
      scope: 0,
      next: null,
      input: null,
      output: null,
      branches: [1, 2],
      reduce: 'all',
      onError: 'fail-fast',
    },
    step(2, 'email', 1, null),
    step(3, 'analytics', 2, null),
  ],
};

function step(id: number, name: string, scope: number, next: number | null): Plan['nodes'][number] {
  return {
    id,
    name,
    scope,
    next,
    type: 'step',
    input: null,
    output: null,
    url: `http://127.0.0.1:4000/steps/${name}`,
    method: 'POST',
    headers: { 'x-team': 'growth' },
    contentType: 'application/json',
    retry: DEFAULT_RETRY,
    timeouts: { connectMs: 5_000, answerMs: 30_000, stepMs: null },
  };
}

/** Completes every attempt at once with `{"ok":true}`; steps that are held stay in flight until they are let go. */
export class InstantOwner implements Owner {
  readonly boot = 'boot1';
  readonly held = new Set<string>();
  engine: RunEngine | null = null;
  grants = true;

  grant() {
    return this.grants ? { dispatcher: 'd1', boot: this.boot } : null;
  }

  refund(): void {}

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

/** Plans by name, in memory. */
export class FixedPlans implements StartablePlans {
  readonly plans = new Map<string, Startable>([['welcome', startable(THREE_STEPS)]]);
  /** Lets a test take the way by which a plan must be looked up. */
  cold = false;

  cached(workflow: string): Startable | null {
    return this.cold ? null : (this.plans.get(workflow) ?? null);
  }

  async find(workflow: string): Promise<Startable> {
    const found = this.plans.get(workflow);
    if (found === undefined)
      throw new HttpProblem({ code: 'workflow-not-found', detail: `There is no workflow ${workflow}.` });
    return found;
  }

  async inline(): Promise<Startable> {
    return { ...startable(THREE_STEPS), version: null };
  }
}

const startable = (plan: Plan): Startable => ({
  plan,
  hash: sha256Hex(canonicalJson(plan)),
  version: 1,
  tags: { team: 'growth' },
});

export type TestApi = {
  readonly app: NestFastifyApplication;
  readonly url: string;
  readonly owner: InstantOwner;
  readonly plans: FixedPlans;
  readonly store: MemoryEventStore;
  readonly engine: RunEngine;
  readonly http: HttpAdapter;
  stop(): Promise<void>;
};

/** The HTTP edge on a free port over the engine and a store in memory, without a dispatcher. */
export const startTestApi = async (change: Partial<WorkflowApiParts> = {}): Promise<TestApi> => {
  const store = new MemoryEventStore();
  await store.start();
  const plans = new FixedPlans();
  const byHash = (hash: string): Plan | null =>
    [...plans.plans.values()].find((each) => each.hash === hash)?.plan ?? THREE_STEPS;
  const engine = new RunEngine(
    store,
    { cachedPlan: byHash, plan: async (hash) => byHash(hash)! },
    systemClock,
    systemEntropy,
    silentLog,
    {
      limits: DEFAULT_RUN_LIMITS,
    },
  );
  const owner = new InstantOwner();
  owner.engine = engine;
  engine.ownedBy(owner);
  const parts = {
    runs: engine,
    store,
    plans,
    clock: systemClock,
    log: silentLog,
    config: loadConfig({}),
    lists: {
      listRuns: async () => ({ status: 'page', items: '[]', nextCursor: null, position: 0 }),
      waitFor: async () => true,
    },
    health: { readiness: async () => ({ status: 'ready', parts: {} }) },
    node: {
      product: 'stepwell',
      version: 'test',
      runtime: process.version,
      eventStore: 'memory',
      startedAt: systemClock.now(),
      limits: {},
    },
    ...change,
  } as unknown as WorkflowApiParts & { plans: StartablePlans };
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
    plans,
    store,
    engine,
    http,
    stop: async () => {
      await app.close();
      await engine.stop();
      await store.stop();
    },
  };
};
