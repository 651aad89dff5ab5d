import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

import { systemEntropy } from '#runtime';

import { startSampleApp as startInProcess } from '../../apps/sample-app/src/sample-app.js';
import { startSampleApp } from '../support/apps.js';
import { Chance } from '../support/chance.js';
import { closeConnections, httpCall } from '../support/http-client.js';
import { pause } from '../support/pause.js';
import { allSteps } from '../support/shapes.js';
import { tempFolder } from '../support/temp-folder.js';
import { newWish, performWish, type Field } from './client.js';
import { readEndedRuns, readHistories, readLedger, readList, type Evidence } from './evidence.js';
import { judge, knownRuns, passes, type Verdict } from './invariants.js';
import { AIMS, Victim, type Aim } from './victim.js';
import { workloads, type Workload } from './workloads.js';

const CLIENTS = 32;
const QUIET_RUNS_A_CLIENT = 8;
const PAUSE_MS = [20, 300] as const;
const QUIET_END_TIMEOUT_MS = 30_000;
const END_TIMEOUT_MS = 90_000;
const VIOLATIONS_SHOWN = 5;
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

const say = (text: string): void => {
  process.stdout.write(`${text}\n`);
};

/** Long work shows that it goes on: one line, rewritten on a terminal, now and then elsewhere. */
const progress = (text: string, every: boolean): void => {
  if (process.stdout.isTTY) process.stdout.write(`\r\u001b[K${text}`);
  else if (every) say(text);
};

const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '60' },
    seed: { type: 'string' },
    keep: { type: 'boolean', default: false },
  },
});
const kills = Number(values.kills);
const seed = values.seed === undefined ? Number.parseInt(systemEntropy.hex(4), 16) : Number(values.seed);
if (!Number.isInteger(kills) || kills < 1 || !Number.isInteger(seed))
  throw new Error('usage: npm run test:crash -- [--kills N] [--seed S] [--keep]');

/** Clients that go on until they are told to stop, or have had their number of runs. */
const runClients = async (
  field: Field,
  kinds: readonly Workload[],
  options: { readonly quiet: boolean; readonly signal: AbortSignal },
): Promise<void> => {
  const drawn = kinds.flatMap((kind) => Array.from({ length: kind.weight }, () => kind));
  const client = async (number: number): Promise<void> => {
    const chance = new Chance(seed + number * 7919 + (options.quiet ? 1 : 0));
    for (let count = 0; !options.signal.aborted && (!options.quiet || count < QUIET_RUNS_A_CLIENT); count++) {
      const key = `${options.quiet ? 'quiet' : 'crash'}-${seed}-${number}-${count}`;
      await performWish(field, chance, newWish(key, chance.oneOf(drawn), options.quiet));
      await pause(chance.between(...PAUSE_MS));
    }
  };
  await Promise.all(Array.from({ length: CLIENTS }, (_, number) => client(number)));
};

const killAgainAndAgain = async (victim: Victim, field: Field): Promise<void> => {
  const chance = new Chance(seed);
  let reported = 0;
  while (victim.killed < kills) {
    await victim.killOnce(AIM_ROUND[victim.killed % AIM_ROUND.length]!, chance);
    const tenth = Math.floor((victim.killed * 10) / kills);
    progress(`  ${victim.killed} of ${kills} kills, ${field.wishes.length} runs asked for`, tenth > reported);
    reported = tenth;
  }
  if (process.stdout.isTTY) process.stdout.write('\n');
};

const idsOf = (field: Field): readonly string[] => [...new Set(field.wishes.flatMap((wish) => [...wish.ids]))];

/** Everything is asked for anew, from the outside, after the server is left in peace. */
const gather = async (
  victim: Victim,
  field: Field,
  ledgers: () => Promise<{ requests: Evidence['requests']; dropped: number }>,
): Promise<Evidence> => {
  const ids = idsOf(field);
  const runs = await readEndedRuns(victim.url, ids, END_TIMEOUT_MS, (open) =>
    progress(`  waiting for ${open} runs to end`, false),
  );
  // A last run whose position lies past everything that the views must have seen.
  const last = await httpCall('POST', `${victim.url}/v1/runs`, {
    headers: { 'idempotency-key': `last-${seed}`, prefer: 'wait=10' },
    body: { workflow: 'values' },
  });
  const lastId = (JSON.parse(last.text) as { id: string }).id;
  const lastRun = await httpCall('GET', `${victim.url}/v1/runs/${lastId}`);
  const position = lastRun.headers['stepwell-position'];
  if (typeof position !== 'string')
    throw new Error(`an answer about a run bears no Stepwell-Position: ${lastRun.text}`);
  const listed = await readList(victim.url, position);
  listed.delete(lastId);
  return { wishes: field.wishes, runs, listed, histories: await readHistories(victim.url, ids), ...(await ledgers()) };
};

/** A test in which nothing happened passes too easily: these must have happened. */
const happenings = (evidence: Evidence, victim: Victim): readonly Verdict[] => {
  const attempts = knownRuns(evidence).flatMap(({ run }) => allSteps(run.steps).flatMap((step) => step.attempts));
  const sum = (count: (wish: Evidence['wishes'][number]) => number): number =>
    evidence.wishes.reduce((total, wish) => total + count(wish), 0);
  const happened = (title: string, checked: number): Verdict => ({ title, checked, unit: '', violations: [] });
  return [
    happened('kills', victim.killed),
    ...AIMS.filter(() => kills >= AIM_ROUND.length).map((aim) => happened(`kills ${aim}`, victim.kills.get(aim) ?? 0)),
    happened(
      'starts that got no answer, and were sent again',
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
    happened(
      'attempts that may have executed, without a status',
      attempts.filter(({ outcome, status }) => outcome === 'may-have-executed' && status === null).length,
    ),
    happened('retried failures', attempts.filter(({ status }) => status === 503).length),
    happened('effects that were tried twice', evidence.requests.filter(({ effect }) => effect === 'duplicate').length),
    happened('cancelled runs', knownRuns(evidence).filter(({ run }) => run.status === 'cancelled').length),
  ];
};

const report = (verdict: Verdict): void => {
  const mark = passes(verdict) ? 'ok    ' : 'FAILED';
  const empty = verdict.checked === 0 ? '  (nothing to hold it against)' : '';
  say(
    `  ${mark} ${verdict.title.padEnd(84)}${verdict.checked.toLocaleString('en').padStart(9)} ${verdict.unit}${empty}`,
  );
  for (const violation of verdict.violations.slice(0, VIOLATIONS_SHOWN)) say(`           ${violation}`);
  if (verdict.violations.length > VIOLATIONS_SHOWN) say(`           … ${verdict.violations.length} in all`);
};

const crashTest = async (dataDir: string): Promise<readonly Verdict[]> => {
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
    const field: Field = {
      url: victim.url,
      wishes: [],
      complaints: [],
      acknowledged: () => victim.happened('at an acknowledgement'),
    };
    for (const { name, definition } of kinds) {
      const answer = await httpCall('PUT', `${victim.url}/v1/workflows/${name}`, { body: definition });
      if (answer.status !== 201) throw new Error(`publishing ${name} answered ${answer.status}: ${answer.text}`);
    }
    say(`  without faults: ${CLIENTS} clients, ${QUIET_RUNS_A_CLIENT} runs each`);
    await runClients(field, kinds, { quiet: true, signal: new AbortController().signal });
    await readEndedRuns(victim.url, idsOf(field), QUIET_END_TIMEOUT_MS, () => {});
    say(`  with SIGKILL: ${CLIENTS} clients, ${kills} kills`);
    const stopping = new AbortController();
    const clients = runClients(field, kinds, { quiet: false, signal: stopping.signal });
    await Promise.race([killAgainAndAgain(victim, field), clients]);
    stopping.abort();
    await clients;
    say(`  in peace again: ${field.wishes.length} runs, slowest start ${Math.round(victim.slowestStartMs)} ms`);
    const evidence = await gather(victim, field, async () => {
      const ledger = await readLedger(app.url);
      return {
        requests: [...ledger.requests, ...trap.ledger.entries()],
        dropped: ledger.dropped + trap.ledger.summary().dropped,
      };
    });
    const ended = await victim.stop();
    const verdicts = [
      ...happenings(evidence, victim),
      ...judge(evidence),
      {
        title: 'the ledger kept every request',
        checked: evidence.requests.length,
        unit: 'requests',
        violations: evidence.dropped === 0 ? [] : [`${evidence.dropped} were dropped`],
      },
      {
        title: 'every answer to a client was a fitting one',
        checked: field.wishes.length,
        unit: 'wishes',
        violations: field.complaints,
      },
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
        violations: ended === 0 ? [] : [`it ended with ${ended}`],
      },
    ];
    if (!verdicts.every(passes)) {
      const runs = [...evidence.runs.values()];
      await writeFile(
        join(dataDir, 'evidence.json'),
        JSON.stringify({
          seed,
          verdicts,
          requests: evidence.requests,
          runs,
          listed: [...evidence.listed.values()].flat(),
        }),
      );
    }
    return verdicts;
  } finally {
    await victim.abandon();
    await Promise.all([app.child.stop(), trap.stop()]);
  }
};

const folder = await tempFolder('crash');
try {
  say(`crash test: seed ${seed}, ${kills} kills`);
  const verdicts = await crashTest(folder.path);
  for (const verdict of verdicts) report(verdict);
  const failed = verdicts.filter((verdict) => !passes(verdict)).length;
  if (failed > 0) {
    process.exitCode = 1;
    say(`repeat with: npm run test:crash -- --kills ${kills} --seed ${seed}`);
  }
  if (failed > 0 || values.keep) say(`what was stored, and the evidence: ${folder.path}`);
  else await folder.remove();
  say(`${verdicts.length - failed} passed, ${failed} failed`);
} catch (fault) {
  say(
    `seed ${seed}, stored in ${folder.path}\n${fault instanceof Error ? (fault.stack ?? fault.message) : String(fault)}`,
  );
  say('0 passed, 1 failed');
  process.exitCode = 1;
} finally {
  closeConnections();
}
