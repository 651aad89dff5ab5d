import {
  DEFAULT_RETRY,
  DEFAULT_RUN_LIMITS,
  type JsonText,
  type Plan,
  type RunCommand,
  type StartRun,
  type StepKey,
} from '#domain';
import { MemoryEventStore, runStream, type Append, type AppendOutcome, type EventStore } from '#event-store';
import { sha256Base32, silentLog, systemClock, systemEntropy, type Clock, type Log } from '#runtime';
import {
  NOBODY,
  RunEngine,
  type Committed,
  type HoldUp,
  type Owner,
  type RunId,
  type RunNews,
  type StartReply,
} from '../index.js';

export { NOBODY } from '../index.js';
export const runIdOf = (key: string) => sha256Base32(key, 128) as RunId;

export const stepNode = (id: number, scope: number, next: number | null): Plan['nodes'][number] => ({
  id,
  name: `s${id}`,
  scope,
  next,
  type: 'step',
  input: null,
  as: null,
  output: null,
  url: 'http://localhost:1/',
  target: null,
  query: null,
  method: 'POST',
  headers: {},
  contentType: 'application/json',
  policy: 0,
});
export const POLICIES: Plan['policies'] = [
  { retry: DEFAULT_RETRY, timeouts: { connectMs: 1, answerMs: 1, stepMs: null } },
];

export const TWO_STEPS: Plan = {
  v: 1,
  output: null,
  timeoutMs: null,
  scopes: [{ entry: 0, container: null, slot: null }],
  policies: POLICIES,
  nodes: [stepNode(0, 0, 1), stepNode(1, 0, null)],
};

export const start = (key: string, change: Partial<StartRun> = {}): StartRun => ({
  type: 'StartRun',
  id: runIdOf(key),
  key,
  workflow: 'w',
  version: 1,
  plan: 'hash',
  namespace: 'default',
  queue: 'default',
  tags: {},
  correlationId: null,
  requestor: null,
  fingerprint: 'f1',
  fromStep: null,
  timeoutMs: null,
  variables: '{}' as JsonText,
  input: '1' as JsonText,
  ...change,
});

/** Grants everything and performs nothing; keeps what it was told. */
export class Recorder implements Owner {
  readonly origin = { actor: 'd', traceparent: null };
  readonly commits: Committed[] = [];
  refunds = 0;
  constructor(readonly boot = 'b1') {}
  holds() {
    return true;
  }
  grant() {
    return { dispatcher: 'd', boot: this.boot };
  }
  readonly stalls: RunId[] = [];
  /** Steps whose attempts wait for their connection. */
  readonly unsent = new Set<StepKey>();
  readonly withheld: StepKey[] = [];
  refund() {
    this.refunds += 1;
  }
  stalled(runId: RunId) {
    this.stalls.push(runId);
  }
  holdUpOf(): HoldUp | null {
    return null;
  }
  isUnsent(_runId: RunId, step: StepKey): boolean {
    return this.unsent.has(step);
  }
  withhold(_runId: RunId, step: StepKey) {
    this.withheld.push(step);
  }
  committed(commit: Committed) {
    this.commits.push(commit);
  }
  bootOf(): string | null {
    return this.boot;
  }
  inherits(): boolean {
    return true;
  }
  observed(_news: RunNews): void {}
}

/** A store whose appends a test may answer otherwise. */
export class TwistedStore extends MemoryEventStore {
  twist: ((append: Append, settle: (outcome: AppendOutcome) => void) => boolean) | null = null;
  readonly seen: Append[] = [];
  override append(append: Append, settle: (outcome: AppendOutcome) => void): void {
    this.seen.push(append);
    if (this.twist?.(append, settle) !== true) super.append(append, settle);
  }
}

const engines: RunEngine[] = [];

/** Stops every engine that a test has made. */
export const stopEngines = async (): Promise<void> => {
  for (const engine of engines.splice(0)) await engine.stop();
};

type WorldOptions = {
  readonly clock?: Clock;
  readonly plan?: Plan;
  readonly log?: Log;
  readonly sharedLog?: boolean;
};

export const newEngine = async (
  owner: Owner | null,
  store: EventStore = new TwistedStore(),
  { clock = systemClock, plan = TWO_STEPS, log = silentLog, sharedLog = false }: WorldOptions = {},
) => {
  await store.start();
  const plans = { cachedPlan: () => plan, plan: () => Promise.resolve(plan) };
  const engine = new RunEngine(store, plans, clock, systemEntropy, log, { limits: DEFAULT_RUN_LIMITS, sharedLog });
  if (owner !== null) engine.ownedBy(owner);
  engines.push(engine);
  const begin = (key: string, change?: Partial<StartRun>) =>
    new Promise<StartReply>((settle) => engine.start(runIdOf(key), start(key, change), plan, NOBODY, settle));
  return { engine, store, begin };
};

export const typesOf = async (store: EventStore, key: string) =>
  (await store.readStream(runStream(runIdOf(key)))).map(({ type }) => type);

/** An answer that is retried. */
export const failure = (step: string, attempt: number): RunCommand => ({
  type: 'FailAttempt',
  step,
  attempt,
  class: 'refused',
  retryable: true,
  status: 503,
  error: { name: 'HTTP.503', cause: null },
  body: null,
  retryAfterMs: null,
  jitter: 0,
});
