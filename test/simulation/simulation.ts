import { DEFAULT_RUN_LIMITS, toMs, type Plan } from '#domain';
import type { StartReply } from '#engine';
import { decodeRunEvent, runStream } from '#event-store';
import type { Clock } from '#runtime';
import { runIdOf } from '../../libs/dispatch/src/testing/dispatch-world.js';
import { SplitWorld, type Api } from '../../libs/dispatch/src/testing/split-world.js';
import { HistoryChecker } from '../../libs/domain/src/testing/history-checker.js';
import { Chance } from '../support/chance.js';
import { simulatedApplication, type Received } from './application.js';
import { fastClock } from './fast-clock.js';
import { Fleet } from './fleet.js';
import { TroubledLog } from './troubled-log.js';
import { planOfSeed } from './workflows.js';

/** The clock of the product runs so many times as fast as the real one. */
const TIMES = 20;
const RUNS = 24;
const TROUBLES = 8;
/** All runs have ended so long after the last trouble, by the clock of the product: the longest waits are breakers'. */
const END_WITHIN_MS = 120_000;

export type Simulated = {
  readonly violations: readonly string[];
  /** What happened, in order. */
  readonly trace: readonly string[];
  readonly runs: number;
  readonly requests: number;
  readonly simulatedMs: number;
};

/** What callers were told of a run. */
type Told = { readonly key: string; readonly replies: StartReply[]; ended: string | null };

/** Two APIs and two dispatchers on one log, in trouble; all that came of it is judged by what the log and the application have. */
export const simulate = async (seed: number): Promise<Simulated> => {
  const clock = fastClock(TIMES);
  // One each, so that who asks more often changes nothing for the others.
  const chanceOf = (part: number): Chance => new Chance(seed * 7 + part);
  const [chance, ofFleet] = [chanceOf(1), chanceOf(2)];
  const trace: string[] = [];
  const note = (line: string): void => void trace.push(`${(clock.monotonicMs() / 1_000).toFixed(2)} s  ${line}`);
  const { application, received, state } = simulatedApplication(clock, chanceOf(3));
  const plan = planOfSeed(chance, await application.start());
  const log = new TroubledLog(clock, chanceOf(4));
  await log.start();
  const world = new SplitWorld(plan, log);
  const fleet = new Fleet(world, clock, ofFleet, note);
  await fleet.start();
  const apis = [world.api(clock), world.api(clock)] as const;
  const told = Array.from({ length: RUNS }, (_, run): Told => ({ key: `run-${run}`, replies: [], ended: null }));
  const callers = told.map((of) => call(of, apis, { clock, chance, note }));
  for (let trouble = 0; trouble < TROUBLES; trouble++) {
    await pass(clock, ofFleet.between(100, 1_500));
    await fleet.trouble();
  }
  await Promise.all(callers);
  log.troubled = false;
  state.troubled = false;
  note('no more trouble');
  const untilMs = clock.monotonicMs() + END_WITHIN_MS;
  let open = await openRuns(log, plan);
  while (open.length > 0 && clock.monotonicMs() < untilMs) {
    await pass(clock, 1_000);
    open = await openRuns(log, plan);
  }
  await pass(clock, 500);
  await world.stop();
  await application.stop();
  const violations = [
    ...open.map((key) => `${key} has not ended within ${END_WITHIN_MS / 1_000} s after the last trouble`),
    ...(await Promise.all(told.map((of) => judged(of, log, plan, received)))).flat(),
  ];
  return { violations, trace, runs: RUNS, requests: received.length, simulatedMs: clock.monotonicMs() };
};

type Calling = { readonly clock: Clock; readonly chance: Chance; readonly note: (line: string) => void };

const pass = (clock: Clock, ms: number): Promise<void> => new Promise((resolve) => clock.after(ms, resolve));

/** Starts the run until it is known to be started; some are started twice, with this or another input, some cancelled. */
const call = async (told: Told, apis: readonly [Api, Api], { clock, chance, note }: Calling): Promise<void> => {
  const { key, replies } = told;
  const [waitMs, isTwice, isOther, isCancelled, cancelMs] = [
    chance.between(0, 8_000),
    chance.yes(0.3),
    chance.yes(0.3),
    chance.yes(0.2),
    chance.between(0, 4_000),
  ];
  const api = chance.oneOf(apis);
  const other = apis[0] === api ? apis[1] : apis[0];
  await pass(clock, waitMs);
  const start = async (by: Api, input: unknown): Promise<void> => {
    for (;;) {
      const reply = await by.startRun(key, input);
      replies.push(reply);
      if (reply.status !== 'unavailable') return;
      await pass(clock, 200);
    }
  };
  await Promise.all([start(api, 1), ...(isTwice ? [start(other, isOther ? 2 : 1)] : [])]);
  note(`${key} is started: ${replies.map(({ status }) => status).join(', ')}`);
  // It may end long after its caller: what it is told then is judged.
  void api.ended(key).then((loaded) => (told.ended = loaded?.run.status ?? null));
  if (!isCancelled) return;
  await pass(clock, cancelMs);
  const reply = await other.cancel(key);
  note(`${key} is cancelled: ${reply.status}`);
};

const historyOf = async (log: TroubledLog, key: string, plan: Plan) => {
  const checker = new HistoryChecker(plan, DEFAULT_RUN_LIMITS);
  const events = (await log.readStream(runStream(runIdOf(key)))).map(({ type, v, data, recordedAt }) => ({
    event: decodeRunEvent(type, v, data),
    atMs: toMs(recordedAt),
  }));
  for (const { event, atMs } of events) checker.record(event, atMs);
  return { events: events.map(({ event }) => event), isEnded: checker.isEnded };
};

/** The keys of runs that have not ended; of one whose history is wrong that is said later. */
const openRuns = async (log: TroubledLog, plan: Plan): Promise<string[]> => {
  const open: string[] = [];
  for (let run = 0; run < RUNS; run++) {
    const key = `run-${run}`;
    const { isEnded } = await historyOf(log, key, plan).catch(() => ({ isEnded: true }));
    if (!isEnded) open.push(key);
  }
  return open;
};

const ENDS: Readonly<Record<string, string>> = {
  RunCompleted: 'completed',
  RunFailed: 'failed',
  RunCancelled: 'cancelled',
  RunTimedOut: 'timed-out',
};

/** What is wrong with a run: with its history, with what the application got, with what callers were told. */
const judged = async (
  { key, replies, ended }: Told,
  log: TroubledLog,
  plan: Plan,
  received: readonly Received[],
): Promise<string[]> => {
  const violations: string[] = [];
  const history = await historyOf(log, key, plan).catch((fault: unknown) => {
    violations.push(`${key}: ${fault instanceof Error ? fault.message : String(fault)}`);
    return null;
  });
  if (history === null) return violations;
  const startedAttempts = new Set<string>();
  for (const event of history.events)
    if (event.type === 'AttemptStarted') startedAttempts.add(`${event.step} ${event.attempt}`);
  const keys = new Map<string, string>();
  const sent = new Set<string>();
  for (const request of received.filter(({ run }) => run === runIdOf(key))) {
    const attempt = `${request.step} ${request.attempt}`;
    if (!startedAttempts.has(attempt)) violations.push(`${key}: ${attempt} was sent and its start is not in the log`);
    if (sent.has(attempt)) violations.push(`${key}: ${attempt} was sent twice`);
    sent.add(attempt);
    const known = keys.get(request.step) ?? request.key;
    if (known !== request.key) violations.push(`${key}: ${request.step} was sent with two idempotency keys`);
    keys.set(request.step, known);
  }
  if (replies.filter(({ status }) => status === 'started').length > 1)
    violations.push(`${key}: two callers were told that they have started it`);
  const end = history.events.map(({ type }) => ENDS[type]).find((status) => status !== undefined) ?? null;
  if (end !== null && ended !== end) violations.push(`${key} has ended as ${end}, and who waited was told ${ended}`);
  return violations;
};
