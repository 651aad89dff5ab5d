import type { Clock } from '#runtime';
import { SplitWorld } from '../../libs/dispatch/src/testing/split-world.js';
import { served, SimulatedApplication } from './application.js';
import { Caller } from './callers.js';
import { fastClock } from './fast-clock.js';
import { Fleet } from './fleet.js';
import { judged } from './judge.js';
import { Ledger } from './ledger.js';
import { chanceOf } from './seeded.js';
import { TroubledLog } from './troubled-log.js';
import { Witness } from './witness.js';
import { planOfSeed } from './workflows.js';

/** The clock of the product runs so many times as fast as the real one. */
const TIMES = 20;
const RUNS = 24;
const TROUBLES = 8;
/** All runs have ended so long after the last trouble, by the clock of the product: the longest waits are breakers'. */
const END_WITHIN_MS = 120_000;

/** Begins what is said of something wrong. */
export const BROKEN = 'BROKEN:';

export type Simulated = {
  readonly violations: readonly string[];
  /** What happened, in order. */
  readonly trace: readonly string[];
  readonly runs: number;
  readonly requests: number;
  readonly simulatedMs: number;
};

const pass = (clock: Clock, ms: number): Promise<void> => new Promise((resolve) => clock.after(ms, resolve));

/** Two APIs and two dispatchers on one log, in trouble; all that came of it is judged by what the log and the application have. */
export const simulate = async (seed: number): Promise<Simulated> => {
  const clock = fastClock(TIMES);
  const trace: string[] = [];
  const violations: string[] = [];
  const note = (line: string): void => void trace.push(`${(clock.monotonicMs() / 1_000).toFixed(2)} s  ${line}`);
  const broken = (what: string): void => {
    violations.push(what);
    note(`${BROKEN} ${what}`);
  };
  const ledger = new Ledger(clock.monotonicMs);
  const witness = new Witness(ledger, broken);
  const simulated = new SimulatedApplication(seed, witness);
  const application = served(simulated, clock);
  const plan = planOfSeed(chanceOf(seed, 'plan'), await application.start());
  const log = new TroubledLog(clock, seed, ledger);
  await log.start();
  const world = new SplitWorld(plan, log);
  const ofFleet = chanceOf(seed, 'fleet');
  const fleet = new Fleet(world, clock, ofFleet, note);
  await fleet.start();
  const apis = [world.api(clock), world.api(clock)] as const;
  const callers = Array.from({ length: RUNS }, (_, run) => {
    return new Caller(`run-${seed}-${run}`, { clock, seed, apis, witness, note });
  });
  const calls = callers.map((caller) => caller.call());
  for (let trouble = 0; trouble < TROUBLES; trouble++) {
    await pass(clock, ofFleet.between(100, 1_500));
    await fleet.trouble();
  }
  await Promise.all(calls);
  log.troubled = false;
  simulated.troubled = false;
  note('no more trouble');
  const open = (): Caller[] => callers.filter(({ runId }) => ledger.endOf(runId) === null);
  const untilMs = clock.monotonicMs() + END_WITHIN_MS;
  while (open().length > 0 && clock.monotonicMs() < untilMs) await pass(clock, 1_000);
  for (const { key, runId } of open())
    broken(`${key} (${runId}) has not ended within ${END_WITHIN_MS / 1_000} s after the last trouble`);
  await pass(clock, 500);
  for (const caller of callers) {
    if (caller.waiting > 0) broken(`${caller.runId}: ${caller.waiting} who wait for its end were not told`);
    await Promise.all(apis.map((api) => caller.lookAtEnd(api)));
  }
  await world.stop();
  await application.stop();
  const known = new Set(callers.map(({ runId }) => runId));
  for (const runId of ledger.ids()) {
    if (!known.has(runId)) broken(`${runId} is in the log, and nobody has started it`);
    for (const what of judged(runId, ledger, witness, plan)) broken(what);
  }
  return { violations, trace, runs: RUNS, requests: witness.requests, simulatedMs: clock.monotonicMs() };
};
