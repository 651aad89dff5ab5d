import { keyOf, newWish, performWish, type Field } from '../crash/client.js';
import type { Verdict } from '../crash/invariants.js';
import type { Workload } from '../crash/workloads.js';
import type { LedgerEntry } from '../../apps/sample-app/src/ledger.js';
import { Chance } from '../support/chance.js';
import { pause } from '../support/pause.js';
import { allSteps, type RunShape } from '../support/shapes.js';
import type { Cluster } from './cluster.js';

/** Dispatchers that came and went in good order while runs of long requests went on. */
export type Joins = {
  readonly workflow: string;
  /** How each one that left has ended, and after how long. */
  readonly exits: readonly { readonly name: string; readonly ended: number | string | null; readonly tookMs: number }[];
  readonly joined: number;
};

/** With requests of up to 8 s some sixty are in flight at a time. */
const START_EVERY_MS = 200;
const DISPATCHERS = [2, 4] as const;
const PAUSE_MS = [0, 6_000] as const;
/** The grace of a stop, which is longer than any request, and a little for the rest of it. */
const EXIT_WITHIN_MS = 12_000;

/** So many joins and exits, one after the other, with runs in flight all the time. */
export const joinsAndExits = async (
  cluster: Cluster,
  field: Field,
  waiting: Workload,
  seed: number,
  count: number,
): Promise<Joins> => {
  const chance = new Chance(seed);
  const exits: Joins['exits'][number][] = [];
  let joined = 0;
  let going = true;
  const load = (async () => {
    const started: Promise<void>[] = [];
    for (let number = 0; going; number++) {
      started.push(
        performWish(field, new Chance(seed + number), newWish(keyOf(field, 'joins', number), waiting, false)),
      );
      await pause(START_EVERY_MS);
    }
    await Promise.all(started);
  })();
  for (let turn = 0; turn < count; turn++) {
    await pause(chance.between(...PAUSE_MS));
    const { length } = cluster.dispatchers;
    if (length <= DISPATCHERS[0] || (length < DISPATCHERS[1] && chance.yes(0.5))) {
      await cluster.joinDispatcher();
      joined += 1;
    } else {
      const member = cluster.dispatchers.splice(chance.yes(0.5) ? 0 : -1, 1)[0]!;
      const fromMs = performance.now();
      exits.push({ name: member.name, ended: await member.stop(), tookMs: performance.now() - fromMs });
    }
  }
  while (cluster.dispatchers.length <= DISPATCHERS[0]) await cluster.joinDispatcher();
  going = false;
  await load;
  return { workflow: waiting.name, exits, joined };
};

/** The promise: without faults a step is sent exactly once, whoever comes and goes. */
export const judgeJoins = (
  { workflow, exits, joined }: Joins,
  runs: readonly RunShape[],
  requests: readonly LedgerEntry[],
): readonly Verdict[] => {
  const steps = runs
    .filter((run) => run.workflow === workflow)
    .flatMap((run) => allSteps(run.steps).map((step) => ({ run, step })))
    .filter(({ step }) => step.attempts.length > 0);
  const sent = new Map<string, number>();
  for (const { runId, step } of requests) sent.set(`${runId} ${step}`, (sent.get(`${runId} ${step}`) ?? 0) + 1);
  return [
    {
      title: `a step is sent once, through ${joined} joins and ${exits.length} exits of dispatchers`,
      checked: steps.length,
      unit: 'steps',
      violations: steps
        .map(({ run, step }) => ({ name: `${run.id} ${step.key}`, attempts: step.attempts }))
        .filter(({ name }) => sent.get(name) !== 1)
        .map(({ name, attempts }) => {
          const made = attempts.map(({ outcome, dispatcher }) => `${outcome} by ${dispatcher}`);
          return `${name}: ${sent.get(name) ?? 0} requests (${made.join(', ')})`;
        }),
    },
    {
      title: 'a dispatcher that is asked to stop ends well, and within its grace',
      checked: exits.length,
      unit: 'exits',
      violations: exits
        .filter(({ ended, tookMs }) => ended !== 0 || tookMs > EXIT_WITHIN_MS)
        .map(({ name, ended, tookMs }) => `${name} ended with ${ended} after ${Math.round(tookMs)} ms`),
    },
  ];
};
