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
const TROUBLES = 14;
/** All runs have ended so long after the last trouble: the longest waits are breakers', and a peer that is silent. */
const END_WITHIN_MS = 120_000;
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
  const callers = Array.from({ length: RUNS }, (_, run) => new Caller(`run-${seed}-${run}`, parts));
  await Promise.all([fleet.troubles(TROUBLES), ...callers.map((caller) => caller.call())]);
  log.troubled = false;
  application.troubled = false;
  note('-- no more trouble');
  const open = (): Caller[] => callers.filter(({ runId }) => ledger.endOf(runId) === null);
  const untilMs = time.monotonicMs() + END_WITHIN_MS;
  while (open().length > 0 && time.monotonicMs() < untilMs) await pass(1_000);
  for (const { runId } of open())
    broken(`${runId} has not ended within ${END_WITHIN_MS / 1_000} s after the last trouble`);
  await Promise.all(callers.map((caller) => caller.lookAtEnd()));
  await pass(5_000);
  for (const { runId, waits } of callers) {
    const left = waits.filter(({ api, isOver }) => !isOver && api.process.state === 'running').length;
    if (left > 0) broken(`${runId}: ${left} who wait for its end were not told`);
  }
  for (const { process, engine, dispatcher } of fleet.livingDispatchers()) {
    const { inFlight, waiting } = dispatcher.load;
    if (inFlight + waiting > 0)
      broken(`${process.name} has ${inFlight} slots taken, and ${waiting} in line, with nothing to do`);
    if (engine.counts.runsParked() > 0) broken(`${process.name} has parked a run`);
  }
  const known = new Set(callers.map(({ runId }) => runId));
  for (const runId of ledger.ids()) {
    if (!known.has(runId)) broken(`${runId} is in the log, and nobody has started it`);
    for (const what of judged(runId, world, !fleet.areClocksSet)) broken(what);
  }
  await fleet.stop();
  await onSocket?.stop();
  return { violations, trace, runs: RUNS, requests: witness.requests, simulatedMs: time.monotonicMs() - sinceMs };
};
