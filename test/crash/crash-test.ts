import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { startSampleApp as startInProcess } from '../../apps/sample-app/src/sample-app.js';
import { startSampleApp } from '../support/apps.js';
import { Chance } from '../support/chance.js';
import { httpCall } from '../support/http-client.js';
import { pause } from '../support/pause.js';
import { allSteps } from '../support/shapes.js';
import { isKeyOf, keyOf, newWish, performWish, type Field } from './client.js';
import { readEndedRuns, readHistories, readLedger, readList, type Evidence } from './evidence.js';
import { accountsAreWhole, judge, knownRuns, passes, type Verdict } from './invariants.js';
import { AIMS, Victim, type Aim } from './victim.js';
import { workloads, type Workload } from './workloads.js';

export type CrashOptions = {
  readonly kills: number;
  readonly seed: number;
  /** Where the server stores; `evidence.json` is added when a promise is broken. */
  readonly dataDir: string;
  readonly say: (text: string) => void;
  readonly progress: (text: string, milestone: boolean) => void;
};

const CLIENTS = 32;
const QUIET_RUNS_A_CLIENT = 8;
const PAUSE_MS = [20, 300] as const;
const QUIET_END_TIMEOUT_MS = 30_000;
const END_TIMEOUT_MS = 90_000;
const HISTORIES_READ = 300;
/** Aims are taken in turn, so that each is taken often even in a short test. */
const AIM_ROUND: readonly Aim[] = [
  'at random',
  'at an acknowledgement',
  'at random',
  'at a request',
  'at a view write',
  'at random',
  'while starting',
  'at a request',
  'at an acknowledgement',
  'at a view write',
];

/** Two phases without and with SIGKILL, then peace; and what all that was promised looks like from the outside. */
export const crashTest = async (options: CrashOptions): Promise<readonly Verdict[]> => {
  const { dataDir } = options;
  const app = await startSampleApp();
  const victim = await Victim.create(dataDir);
  const trap = await startInProcess({
    host: '127.0.0.1',
    port: 0,
    ledgerMaxEntries: 1_000_000,
    onArrival: () => victim.happened('at a request'),
  });
  try {
    await victim.start();
    const kinds = workloads(app.url, trap.url);
    const acknowledged = (): void => victim.happened('at an acknowledgement');
    const field: Field = {
      url: victim.url,
      scope: `${options.seed}`,
      wishes: [],
      complaints: [],
      acknowledged,
    };
    await publishAll(victim.url, kinds);
    await quietPhase(options, field, kinds);
    await killingPhase(options, victim, field, kinds);
    const evidence = await gather({ ...options, url: victim.url, histories: HISTORIES_READ }, field, async () => {
      const ledger = await readLedger(app.url);
      const requests = [...ledger.requests, ...trap.ledger.entries()];
      return { requests, dropped: ledger.dropped + trap.ledger.summary().dropped };
    });
    const stopped = await victim.stop();
    const verdicts = [
      ...happenings(options, evidence, victim),
      ...judge(evidence),
      ...conduct(evidence, field, victim, stopped),
    ];
    if (!verdicts.every(passes)) await keepEvidence(options, evidence, verdicts);
    return verdicts;
  } finally {
    await victim.abandon();
    await Promise.all([app.child.stop(), trap.stop()]);
  }
};

/** Publishes the definitions of all workloads. */
export const publishAll = async (url: string, kinds: readonly Workload[]): Promise<void> => {
  for (const { name, definition } of kinds) {
    const answer = await httpCall('PUT', `${url}/v1/workflows/${name}`, { body: definition });
    if (answer.status !== 201) throw new Error(`publishing ${name} answered ${answer.status}: ${answer.text}`);
  }
};

const quietPhase = async (options: CrashOptions, field: Field, kinds: readonly Workload[]): Promise<void> => {
  options.say(`  without faults: ${CLIENTS} clients, ${QUIET_RUNS_A_CLIENT} runs each`);
  await runClients(options.seed, field, kinds, null);
  await readEndedRuns(field.url, idsOf(field), QUIET_END_TIMEOUT_MS, () => {});
};

const killingPhase = async (
  options: CrashOptions,
  victim: Victim,
  field: Field,
  kinds: readonly Workload[],
): Promise<void> => {
  options.say(`  with SIGKILL: ${CLIENTS} clients, ${options.kills} kills`);
  const stopping = new AbortController();
  const clients = runClients(options.seed, field, kinds, stopping.signal);
  await Promise.race([killAgainAndAgain(options, victim, field), clients]);
  stopping.abort();
  await clients;
  options.say(`  in peace again: ${field.wishes.length} runs, slowest start ${Math.round(victim.slowestStartMs)} ms`);
};

/** Clients that go on until the signal; without one they are the quiet ones, and have a number of runs each. */
export const runClients = async (
  seed: number,
  field: Field,
  kinds: readonly Workload[],
  signal: AbortSignal | null,
): Promise<void> => {
  const quiet = signal === null;
  const drawn = kinds.flatMap((kind) => Array.from({ length: kind.weight }, () => kind));
  const client = async (number: number): Promise<void> => {
    const chance = new Chance(seed + number * 7919 + (quiet ? 1 : 0));
    for (let count = 0; quiet ? count < QUIET_RUNS_A_CLIENT : !signal.aborted; count++) {
      const key = keyOf(field, quiet ? 'quiet' : 'crash', number, count);
      await performWish(field, chance, newWish(key, chance.oneOf(drawn), quiet));
      await pause(chance.between(...PAUSE_MS));
    }
  };
  await Promise.all(Array.from({ length: CLIENTS }, (_, number) => client(number)));
};

const killAgainAndAgain = async (options: CrashOptions, victim: Victim, field: Field): Promise<void> => {
  const { kills, seed, progress } = options;
  const chance = new Chance(seed);
  let reported = 0;
  for (let round = 0; victim.killed < kills; round++) {
    await victim.killOnce(AIM_ROUND[round % AIM_ROUND.length]!, chance);
    const tenth = Math.floor((victim.killed * 10) / kills);
    progress(`  ${victim.killed} of ${kills} kills, ${field.wishes.length} runs asked for`, tenth > reported);
    reported = tenth;
  }
};

export const idsOf = (field: Field): readonly string[] => [...new Set(field.wishes.flatMap((wish) => [...wish.ids]))];

type Ledgers = () => Promise<Pick<Evidence, 'requests' | 'dropped'>>;

type Gathering = Pick<CrashOptions, 'progress'> & {
  readonly url: string;
  /** Of so many runs the whole history is read. */
  readonly histories: number;
  /** The log may hold runs that are none of this test. */
  readonly isShared?: boolean;
};

/** Everything is asked for anew, from the outside, after the server is left in peace. */
export const gather = async (
  { url, progress, histories, isShared = false }: Gathering,
  field: Field,
  ledgers: Ledgers,
): Promise<Evidence> => {
  const ids = idsOf(field);
  const runs = await readEndedRuns(url, ids, END_TIMEOUT_MS, (open) => {
    progress(`  waiting for ${open} runs to end`, false);
  });
  // A last run, whose position lies past everything that the views must have seen.
  const headers = { 'idempotency-key': `last-${field.scope}`, prefer: 'wait=10' };
  const last = await httpCall('POST', `${url}/v1/runs`, { headers, body: { workflow: 'values' } });
  const { id } = JSON.parse(last.text) as { readonly id: string };
  const position = (await httpCall('GET', `${url}/v1/runs/${id}`)).headers['stepwell-position'];
  if (typeof position !== 'string') throw new Error(`an answer about a run bears no Stepwell-Position: ${last.text}`);
  const listed = await readList(url, position, ({ key }) => !isShared || isKeyOf(field, key));
  listed.delete(id);
  return {
    wishes: field.wishes,
    runs,
    listed,
    histories: await readHistories(url, ids, histories),
    ...(await ledgers()),
  };
};

/** A test in which nothing happened passes too easily: these must have happened. */
const happenings = (options: CrashOptions, evidence: Evidence, victim: Victim): readonly Verdict[] => {
  const known = knownRuns(evidence);
  const attempts = known.flatMap(({ run }) => allSteps(run.steps).flatMap((step) => step.attempts));
  const sum = (count: (wish: Evidence['wishes'][number]) => number): number =>
    evidence.wishes.reduce((total, wish) => total + count(wish), 0);
  const happened = (title: string, checked: number): Verdict => ({ title, checked, unit: '', violations: [] });
  const uncertain = attempts.filter(({ outcome, status }) => outcome === 'may-have-executed' && status === null);
  return [
    happened('kills', victim.killed),
    ...(options.kills < 2 * AIM_ROUND.length
      ? []
      : AIMS.map((aim) => happened(`kills ${aim}`, victim.kills.get(aim) ?? 0))),
    happened(
      'requests to the API without an answer, sent again',
      sum((wish) => wish.unanswered),
    ),
    happened(
      'starts answered as a replay',
      sum((wish) => wish.replays),
    ),
    happened(
      'other payloads refused under a known key',
      sum((wish) => wish.refusedOtherPayload),
    ),
    happened('attempts of unknown outcome', attempts.filter(({ outcome }) => outcome === 'unknown').length),
    happened('attempts that may have executed, without a status', uncertain.length),
    happened('retried failures', attempts.filter(({ status }) => status === 503).length),
    happened('effects tried twice', evidence.requests.filter(({ effect }) => effect === 'duplicate').length),
    happened('cancelled runs', known.filter(({ run }) => run.status === 'cancelled').length),
  ];
};

const conduct = (
  evidence: Evidence,
  field: Field,
  victim: Victim,
  stopped: number | string | null,
): readonly Verdict[] => [
  ...accountsAreWhole(evidence, field),
  {
    title: 'the server ended only when it was killed',
    checked: victim.killed,
    unit: 'kills',
    violations: victim.unexpectedEnds,
  },
  {
    title: 'and stopped cleanly in the end',
    checked: 1,
    unit: 'stop',
    violations: stopped === 0 ? [] : [`it ended with ${stopped}`],
  },
];

const keepEvidence = (options: CrashOptions, evidence: Evidence, verdicts: readonly Verdict[]): Promise<void> => {
  const { requests, runs, listed } = evidence;
  const text = JSON.stringify({ seed: options.seed, verdicts, requests, runs: [...runs], listed: [...listed] });
  return writeFile(join(options.dataDir, 'evidence.json'), text);
};
