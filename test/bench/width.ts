import { resourceUsage } from 'node:process';
import type { Plan } from '#domain';
import { NOBODY, RunEngine, type CommandResult, type RunId, type StartReply } from '#engine';
import { MemoryEventStore, type EventStore } from '#event-store';
import { DEFAULT_RUN_LIMITS } from '#domain';
import { silentLog, systemClock, systemEntropy } from '#runtime';
import { parallel, planOf, step } from '../../libs/domain/src/testing/tree-plans.js';
import { runIdOf, start } from '../../libs/engine/src/testing/engine-world.js';
import { AnsweringOwner } from './answering-owner.js';
import type { BenchOptions } from './options.js';

const WIDTHS = [100, 1_000, 10_000];
const LENGTHS = [100, 10_000];
const STEPS = 20_000;
const SLOTS = 512;
const CONFLICTS = 200;
/** A conflict is so short that what one run has of them is mostly chance. */
const RUNS = 5;
const GOAL_RATIO = 1.5;

export type WidthFigures = {
  /** CPU of the engine an ended step, by how many branches its parallel has; all of them go to one url. */
  readonly usPerStep: Readonly<Record<number, number>>;
  /** The same where each goes to a url of its own: each may have limits of its own, and is asked for. */
  readonly usPerStepOwnUrls: Readonly<Record<number, number>>;
  /** A command of a process that another one has appended before, by how many events the run has. */
  readonly usPerConflict: Readonly<Record<number, number>>;
  readonly eventsReadPerConflict: Readonly<Record<number, number>>;
};

/** What a decision costs by how wide or long its run is: engine and domain alone, in memory, every step answered at once. */
export const measureWidth = async (options: BenchOptions, say: (line: string) => void): Promise<WidthFigures> => {
  const steps = new Map<number, number[]>(WIDTHS.map((width) => [width, []]));
  const ownUrls = new Map<number, number[]>(WIDTHS.map((width) => [width, []]));
  const conflicts = new Map<number, Conflict[]>(LENGTHS.map((length) => [length, []]));
  // The first round is for the compiler.
  for (let round = 0; round <= options.rounds; round++) {
    for (const width of WIDTHS) {
      const count = round === 0 ? Math.min(STEPS, 4_000) : STEPS;
      const us = await usPerEndedStep(toOneUrl(wide(width)), width, count);
      const usOwnUrls = await usPerEndedStep(wide(width), width, count);
      if (round === 0) continue;
      steps.get(width)?.push(us);
      ownUrls.get(width)?.push(usOwnUrls);
    }
    for (const length of LENGTHS) {
      for (let run = 0; run < RUNS; run++) {
        const conflict = await conflictOf(length);
        if (round > 0) conflicts.get(length)?.push(conflict);
      }
    }
  }
  const usPerStep = medians(steps, (us) => us);
  const usPerStepOwnUrls = medians(ownUrls, (us) => us);
  const usPerConflict = medians(conflicts, ({ us }) => us);
  const eventsReadPerConflict = medians(conflicts, ({ events }) => events);
  for (const width of WIDTHS)
    say(row(`width ${width}: CPU an ended step`, usPerStep[width]!, usPerStep[WIDTHS[0]!]!, `${SLOTS} slots`));
  for (const width of WIDTHS) {
    const [us, firstUs] = [usPerStepOwnUrls[width]!, usPerStepOwnUrls[WIDTHS[0]!]!];
    say(row(`width ${width}: the same`, us, firstUs, 'each to a url of its own'));
  }
  for (const length of LENGTHS) {
    const read = `${eventsReadPerConflict[length]!.toFixed(0)} events read`;
    say(row(`${length} events: a conflict`, usPerConflict[length]!, usPerConflict[LENGTHS[0]!]!, read));
  }
  return { usPerStep, usPerStepOwnUrls, usPerConflict, eventsReadPerConflict };
};

const row = (what: string, us: number, firstUs: number, also: string): string => {
  const ratio = us / firstUs;
  const verdict = ratio <= GOAL_RATIO ? 'reached' : 'MISSED';
  return `${what.padEnd(36)}${us.toFixed(0).padStart(9)} µs${ratio.toFixed(2).padStart(9)} times (goal at most ${GOAL_RATIO}: ${verdict}) · ${also}`;
};

const medians = <T>(of: ReadonlyMap<number, readonly T[]>, pick: (item: T) => number): Record<number, number> =>
  Object.fromEntries(
    [...of].map(([key, items]) => [key, items.map(pick).sort((a, b) => a - b)[Math.floor(items.length / 2)] ?? NaN]),
  );

const wide = (width: number): Plan =>
  // Past what a definition may have: the compiler is not asked.
  planOf(parallel({ name: 'all', reduce: 'none' }, ...Array.from({ length: width }, (_, at) => step(`b${at}`))));

const toOneUrl = (plan: Plan): Plan => ({
  ...plan,
  nodes: plan.nodes.map((node) => (node.type === 'step' ? { ...node, url: 'http://app.test/one' } : node)),
});

const engineOf = (store: EventStore, plan: Plan, sharedLog: boolean): RunEngine => {
  const plans = { cachedPlan: () => plan, plan: () => Promise.resolve(plan) };
  return new RunEngine(store, plans, systemClock, systemEntropy, silentLog, { limits: DEFAULT_RUN_LIMITS, sharedLog });
};

const startRun = async (engine: RunEngine, key: string, plan: Plan): Promise<RunId> => {
  const runId = runIdOf(key);
  await new Promise<StartReply>((settle) => engine.start(runId, start(key), plan, NOBODY, settle));
  return runId;
};

const cpuUs = (): number => {
  const { userCPUTime, systemCPUTime } = resourceUsage();
  return userCPUTime + systemCPUTime;
};

const usPerEndedStep = async (plan: Plan, width: number, steps: number): Promise<number> => {
  const store = new MemoryEventStore();
  await store.start();
  const owner = new AnsweringOwner(SLOTS);
  const engine = engineOf(store, plan, false);
  owner.engine = engine;
  engine.ownedBy(owner);
  const runs = Math.ceil(steps / width);
  const before = cpuUs();
  for (let run = 0; run < runs; run++) {
    const ended = owner.end();
    await startRun(engine, `${run}`, plan);
    await ended;
  }
  const us = (cpuUs() - before) / (runs * width);
  await engine.stop();
  return us;
};

type Conflict = { readonly us: number; readonly events: number };

class CountingStore extends MemoryEventStore {
  events = 0;
  override async *readPages(...args: Parameters<MemoryEventStore['readPages']>) {
    for await (const page of super.readPages(...args)) {
      this.events += page.length;
      yield page;
    }
  }
}

/** Two processes that append to one run by turns, neither of which owns it: each finds the other's append before its own. */
const conflictOf = async (length: number): Promise<Conflict> => {
  const store = new CountingStore();
  await store.start();
  const plan = planOf(step('only'));
  const [one, other] = [engineOf(store, plan, true), engineOf(store, plan, true)];
  const runId = await startRun(one, 'a', plan);
  const note = (engine: RunEngine): Promise<CommandResult> =>
    new Promise((done) =>
      engine.submit(runId, { type: 'NoteDuplicateStarts', count: 1, refused: 0, last: true }, NOBODY, done),
    );
  while (((await one.load(runId))?.revision ?? 0) < length - 1) await note(one);
  await note(other);
  store.events = 0;
  const before = cpuUs();
  for (let count = 0; count < CONFLICTS; count++) await note(count % 2 === 0 ? one : other);
  const us = cpuUs() - before;
  const events = store.events / CONFLICTS;
  await Promise.all([one.stop(), other.stop()]);
  return { us: us / CONFLICTS, events };
};
