import { MemoryOpenRuns } from '#dispatch';
import type { Clock } from '#runtime';
import { served, SimulatedApplication } from './application.js';
import { Caller } from './callers.js';
import { fastClock } from './fast-clock.js';
import { Fleet } from './fleet.js';
import { judged } from './judge.js';
import { Ledger } from './ledger.js';
import type { World } from './processes.js';
import { chanceOf } from './seeded.js';
import { ShardTable } from './shard-table.js';
import { TroubledLog } from './troubled-log.js';
import { VirtualTime } from './virtual-time.js';
import { Witness } from './witness.js';
import { planOfSeed } from './workflows.js';

const RUNS = 24;
/** Started when all is well again. */
const LAST_RUNS = 6;
const TROUBLES = 14;
/**
 * All runs have ended so long after the last trouble: retries, a breaker, and a peer that is taken for silent take 22 s together in the
 * longest of a thousand worlds. Later than that a run ends that was forgotten, and found by the look at all rows each 30 s.
 */
const END_WITHIN_MS = 24_000;
/** Where the log could not be read for a while, that look is how runs are found of which there was news then. */
const END_BY_LOOK_MS = 65_000;
/** Over sockets the clock runs so many times as fast as the real one. */
const TIMES = 20;

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

/** One world, which goes the same way each time that it is made of its seed. */
export const simulate = (seed: number): Promise<Simulated> => {
  const time = new VirtualTime();
  return time.until(simulateIn(seed, time, false));
};

/** One world whose requests go over sockets, so that the order of things is the machine's. */
export const simulateOverSockets = (seed: number): Promise<Simulated> => simulateIn(seed, fastClock(TIMES), true);

/** Two APIs and two dispatchers on one log, in trouble; all that comes of it is held against what the log and the application have. */
const simulateIn = async (seed: number, time: Clock, hasSockets: boolean): Promise<Simulated> => {
  const trace: string[] = [];
  const violations: string[] = [];
  const sinceMs = time.monotonicMs();
  const note = (line: string): void =>
    void trace.push(`${((time.monotonicMs() - sinceMs) / 1_000).toFixed(3)} ${line}`);
  const broken = (what: string): void => {
    violations.push(what);
    note(`${BROKEN} ${what}`);
  };
  const pass = (ms: number): Promise<void> => new Promise((resolve) => time.after(ms, resolve));
  const ledger = new Ledger(time.nowMs, note);
  const witness = new Witness(ledger, { broken, note });
  const application = new SimulatedApplication(seed, witness);
  const onSocket = hasSockets ? served(application, time) : null;
  const target = (await onSocket?.start()) ?? 'http://application.test';
  const log = new TroubledLog(time, seed, ledger);
  await log.start();
  const surroundings = { seed, time, note };
  const table = new ShardTable(surroundings);
  const plan = planOfSeed(chanceOf(seed, 'plan'), target);
  const openRuns = new MemoryOpenRuns();
  const world: World = { ...surroundings, plan, log, ledger, witness, application, openRuns, table, hasSockets };
  const fleet = new Fleet(world);
  await fleet.start();
  const parts = { time, seed, apis: () => fleet.livingApis(), note };
  const all = Array.from({ length: RUNS + LAST_RUNS }, (_, run) => new Caller(`run-${seed}-${run}`, parts));
  const [callers, last] = [all.slice(0, RUNS), all.slice(RUNS)];
  await Promise.all([fleet.troubles(TROUBLES), ...callers.map((caller) => caller.call())]);
  log.troubled = false;
  application.troubled = false;
  note('-- no more trouble');
  const calmMs = time.monotonicMs();
  await Promise.all(last.map((caller) => caller.call(5_000)));
  const open = (): Caller[] => all.filter(({ runId }) => ledger.endOf(runId) === null);
  const endWithinMs = fleet.wereReadsCut ? END_BY_LOOK_MS : END_WITHIN_MS;
  const untilMs = calmMs + endWithinMs;
  while (open().length > 0 && time.monotonicMs() < untilMs) await pass(1_000);
  note(`-- all have ended after ${Math.round(time.monotonicMs() - calmMs)} ms`);
  for (const { runId } of open())
    broken(`${runId} has not ended within ${endWithinMs / 1_000} s after the last trouble`);
  const judgeWaits = (): void => {
    for (const { runId, waits } of all) {
      const left = waits.filter(({ api, isOver }) => !isOver && api.process.state === 'running').length;
      if (left > 0) broken(`${runId}: ${left} who wait for its end were not told`);
    }
  };
  await pass(5_000);
  judgeWaits();
  await Promise.all(all.map((caller) => caller.lookAtEnd()));
  await pass(5_000);
  judgeWaits();
  for (const { process, engine, dispatcher } of fleet.livingDispatchers()) {
    const { inFlight, waiting } = dispatcher.load;
    if (inFlight + waiting > 0)
      broken(`${process.name} has ${inFlight} slots taken, and ${waiting} in line, with nothing to do`);
    if (engine.counts.runsParked() > 0) broken(`${process.name} has parked a run`);
  }
  const known = new Set(all.map(({ runId }) => runId));
  for (const runId of ledger.ids()) {
    if (!known.has(runId)) broken(`${runId} is in the log, and nobody has started it`);
    for (const what of judged(runId, world, !fleet.areClocksSet)) broken(what);
  }
  await fleet.stop();
  await onSocket?.stop();
  return { violations, trace, runs: all.length, requests: witness.requests, simulatedMs: time.monotonicMs() - sinceMs };
};
