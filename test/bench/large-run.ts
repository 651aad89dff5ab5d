import { DEFAULT_RUN_LIMITS, type Plan, type RunCommand, type StepKey } from '#domain';
import { NOBODY, RunEngine, type StartReply } from '#engine';
import { SqliteEventStore, type EventStore } from '#event-store';
import { silentLog, systemClock, systemEntropy } from '#runtime';
import { json, parallel, planOf, sequence, step } from '../../libs/domain/src/testing/tree-plans.js';
import { runIdOf, start } from '../../libs/engine/src/testing/engine-world.js';
import { eventually, pause } from '../support/pause.js';
import { AnsweringOwner } from './answering-owner.js';

/** The two ways of a run to be large: many steps that each succeed at once, or few that fail a thousand times each. */
export const SHAPES = ['steps', 'events'] as const;
export type Shape = (typeof SHAPES)[number];

const BRANCHES = 1_000;
const STEPS_A_BRANCH = 99;
const FAILING = 245;
const ATTEMPTS = 1_000;
const SLOTS = 512;

/** Its last step is in flight for as long as nobody answers it. */
const HANGING = 'hangs';
const HANGING_STEP: StepKey = `all.${HANGING}`;
export const LARGE_RUN = runIdOf('large');

export const largePlan = (shape: Shape): Plan => (shape === 'steps' ? manySteps() : manyEvents());

const manySteps = (): Plan => {
  const branches = Array.from({ length: BRANCHES }, (_, branch) =>
    sequence(...Array.from({ length: STEPS_A_BRANCH }, (_, at) => step(`b${branch}s${at}`))),
  );
  return planOf(parallel({ name: 'all', reduce: 'none' }, ...branches, step(HANGING)));
};

const manyEvents = (): Plan => {
  const retry = { maxAttempts: ATTEMPTS, initialIntervalMs: 0, maxIntervalMs: 0 };
  const branches = Array.from({ length: FAILING }, (_, at) => step(`s${at}`, { retry }));
  return planOf(parallel({ name: 'all', reduce: 'none', onError: 'continue' }, ...branches, step(HANGING)));
};

const answerOf =
  (shape: Shape) =>
  (key: StepKey, attempt: number): RunCommand | null => {
    if (key === HANGING_STEP) return null;
    if (shape === 'steps') return completed(key, attempt);
    return {
      type: 'FailAttempt',
      step: key,
      attempt,
      class: 'may-have-executed',
      retryable: true,
      status: 503,
      error: { name: 'HTTP.503', cause: null },
      body: null,
      retryAfterMs: null,
      jitter: 0,
    };
  };

const completed = (key: StepKey, attempt: number): RunCommand => ({
  type: 'CompleteAttempt',
  step: key,
  attempt,
  status: 200,
  output: json({ ok: true }),
});

export const engineOn = (store: EventStore, plan: Plan): RunEngine => {
  const plans = { cachedPlan: () => plan, plan: () => Promise.resolve(plan) };
  return new RunEngine(store, plans, systemClock, systemEntropy, silentLog, { limits: DEFAULT_RUN_LIMITS });
};

export const logIn = async (folder: string): Promise<SqliteEventStore> => {
  const store = new SqliteEventStore({
    folder,
    onFatal: (fault) => {
      throw fault;
    },
  });
  await store.start();
  return store;
};

/** Writes the run into the log in the folder, all but its last step. Gives how many events it has. */
export const writeLargeRun = async (folder: string, shape: Shape): Promise<number> => {
  const plan = largePlan(shape);
  const store = await logIn(folder);
  const engine = engineOn(store, plan);
  const owner = new AnsweringOwner(SLOTS, answerOf(shape));
  owner.engine = engine;
  engine.ownedBy(owner);
  await new Promise<StartReply>((settle) => engine.start(LARGE_RUN, start('large'), plan, NOBODY, settle));
  const events = await eventually('all but the last step', () => written(engine), 600_000);
  await engine.stop();
  await store.stop();
  return events;
};

/** How many events the run has when nothing but its last step is in flight. */
const written = async (engine: RunEngine): Promise<number | null> => {
  const before = await engine.load(LARGE_RUN);
  const revision = before?.revision;
  await pause(200);
  const loaded = await engine.load(LARGE_RUN);
  if (loaded === null || loaded.revision !== revision || loaded.run.obligations.inFlight.size !== 1) return null;
  return loaded.revision + 1;
};
