import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { shardOf } from '#event-store';
import { systemEntropy } from '#runtime';
import type { Field } from '../crash/client.js';
import { gather, idsOf, publishAll, runClients } from '../crash/crash-test.js';
import { readEndedRuns, readLedger, type Evidence } from '../crash/evidence.js';
import { accountsAreWhole, judge, knownRuns, passes, type Verdict } from '../crash/invariants.js';
import { workloads, type Workload } from '../crash/workloads.js';
import { Chance } from '../support/chance.js';
import { pause } from '../support/pause.js';
import { allSteps, type RunShape } from '../support/shapes.js';
import { Cluster, type ShardMove } from './cluster.js';
import { joinsAndExits, judgeJoins, type Joins } from './joins.js';
import { judgeLongStop, stopForLong, type LongStop } from './long-stop.js';
import { judgeRelay } from './relay-invariants.js';
import type { TopicTally } from './topic-tally.js';
import { troubles, type TroubleCounts } from './troubles.js';

export type ClusterOptions = {
  readonly seconds: number;
  readonly seed: number;
  /** So long one dispatcher is stopped before the faults; 0: not at all. */
  readonly stopSeconds: number;
  /** So often a dispatcher joins or leaves in good order before the faults. */
  readonly joins: number;
  readonly folder: string;
  readonly say: (text: string) => void;
  readonly progress: (text: string, milestone: boolean) => void;
};

const SHAPE = { apis: 2, dispatchers: 3, projectors: 2, relay: true };
/**
 * Many runs are answered 503 at first, on purpose. A dispatcher that takes shards over may have such runs first in line, each
 * of them a probe that fails: left at its default, the breaker would wait up to a minute after each.
 */
const SETTINGS = { STEPWELL_BREAKER_OPEN_MAX_MS: '1000' };
const QUIET_END_TIMEOUT_MS = 60_000;
const SECONDS_FOR_ALL = 60;
const RELAYED_TIMEOUT_MS = 60_000;
const RELAY_KILLS_MAX = 20;
const RELAYS_FOR_MS = 3_000;

/** The production shape without faults, then with all kinds of them, then in peace; and what all that was promised looks like from outside. */
export const clusterTest = async (options: ClusterOptions): Promise<readonly Verdict[]> => {
  const { seed, seconds, say, progress, folder } = options;
  const cluster = await Cluster.start(folder, SHAPE, SETTINGS);
  const relayTopic = cluster.relayTopic!; // as the shape says
  try {
    const kinds = workloads(cluster.app.url, cluster.app.url, true);
    await publishAll(cluster.apis[0]!.url, kinds);
    const field = fieldOf(cluster, seed);
    say('  without faults');
    await runClients(seed, field, kinds, null);
    await readEndedRuns(field.url, idsOf(field), QUIET_END_TIMEOUT_MS, () => {});
    const joins = await withJoins(options, cluster, field, kinds);
    const { counts, longStop } = await underLoad(options, cluster, field, kinds);
    say(`  in peace again: ${field.wishes.length} runs`);
    const healedMs = performance.now();
    const gathering = {
      progress,
      url: cluster.apis[1]!.url,
      histories: Infinity,
      isShared: cluster.eventStore === null,
    };
    const evidence = await gather(gathering, field, () => readLedger(cluster.app.url));
    say(`  all runs read after ${Math.round((performance.now() - healedMs) / 1_000)} s`);
    const { tally } = relayTopic;
    await relayTopic.until(evidence.histories, RELAYED_TIMEOUT_MS, (missing) =>
      progress(`  waiting for the topic to hold ${missing} more runs`, false),
    );
    const moves = await cluster.moves();
    const relays = await cluster.relays();
    const ends = await cluster.stop();
    const verdicts = [
      ...happenings(seconds, evidence, counts),
      ...judge(evidence),
      ...attemptsByOwnersOnly(evidence, moves),
      ...(joins === null ? [] : judgeJoins(joins, runsOf(evidence), evidence.requests)),
      ...(longStop === null ? [] : judgeLongStop(longStop, runsOf(evidence), evidence.requests, moves)),
      ...relayHappenings(seconds, tally, relays),
      ...judgeRelay(evidence.histories, tally),
      ...conduct(evidence, field, cluster, ends),
    ];
    if (!verdicts.every(passes)) await keepEvidence(options, evidence, verdicts);
    return verdicts;
  } finally {
    await cluster.abandon();
  }
};

/** Without faults: nothing else may have a step sent again. */
const withJoins = async (
  { seed, joins, say }: ClusterOptions,
  cluster: Cluster,
  field: Field,
  kinds: readonly Workload[],
): Promise<Joins | null> => {
  if (joins === 0) return null;
  say(`  with ${joins} joins and exits of dispatchers`);
  const waiting = kinds.find(({ name }) => name === 'waiting')!;
  const done = await joinsAndExits(cluster, field, waiting, seed, joins);
  await readEndedRuns(field.url, idsOf(field), QUIET_END_TIMEOUT_MS, () => {});
  return done;
};

/** Clients go on all the time: while one dispatcher is stopped for long, and then among faults of all kinds. */
const underLoad = async (
  { seed, seconds, stopSeconds, say, progress }: ClusterOptions,
  cluster: Cluster,
  field: Field,
  kinds: readonly Workload[],
): Promise<{ readonly counts: TroubleCounts; readonly longStop: LongStop | null }> => {
  const stopping = new AbortController();
  const clients = runClients(seed, field, kinds, stopping.signal);
  try {
    if (stopSeconds > 0) say(`  with a dispatcher that is stopped for ${stopSeconds} s`);
    const long = kinds.find(({ name }) => name === 'long')!;
    const longStop = stopSeconds > 0 ? await stopForLong(cluster, field, long, seed, stopSeconds * 1_000) : null;
    say(`  with faults: ${seconds} s`);
    const untilMs = performance.now() + seconds * 1_000;
    const counts = await troubles(cluster, new Chance(seed), untilMs, (so_far) =>
      progress(
        `  ${[...so_far].map(([name, count]) => `${name} ${count}`).join(', ')}; ${field.wishes.length} runs`,
        false,
      ),
    );
    if (seconds >= SECONDS_FOR_ALL) await untilRepeated(cluster);
    return { counts, longStop };
  } finally {
    stopping.abort();
    await clients;
  }
};

/**
 * Order is judged with the repeats left out, which proves nothing of a topic without any. Whether the faults have made some is
 * chance: only a relay that dies between a batch and the next note of its place sends that batch again.
 */
const untilRepeated = async ({ projectors, relayTopic }: Cluster): Promise<void> => {
  for (let kills = 0; kills < RELAY_KILLS_MAX && relayTopic?.tally.repeats === 0; kills++) {
    await Promise.all(projectors.map((member) => member.kill()));
    for (const member of projectors) member.start();
    await Promise.all(projectors.map((member) => member.ready(QUIET_END_TIMEOUT_MS)));
    await pause(RELAYS_FOR_MS);
  }
};

const runsOf = (evidence: Evidence): readonly RunShape[] => [...evidence.runs.values()].filter((run) => run !== null);

/** What must have happened to the relay. Short tests may have left it alone. */
const relayHappenings = (seconds: number, tally: TopicTally, relays: number): readonly Verdict[] => {
  if (seconds < SECONDS_FOR_ALL) return [];
  const happened = (title: string, checked: number): Verdict => ({ title, checked, unit: '', violations: [] });
  return [
    happened('times that another relay, or the same one anew, has gone on', Math.max(0, relays - 1)),
    happened('messages that a relay has sent again, after which order is judged without them', tally.repeats),
  ];
};

/** Clients take the APIs by turns: what one has acknowledged, the other must know. */
const fieldOf = (cluster: Cluster, seed: number): Field => {
  let turn = 0;
  // A real event store may hold the runs of a test with the same seed; one of our own is new.
  const scope = `${seed}-${cluster.eventStore === null ? systemEntropy.hex(4) : 'own'}`;
  return {
    get url() {
      return cluster.apis[turn++ % cluster.apis.length]!.url;
    },
    scope,
    wishes: [],
    complaints: [],
    acknowledged: () => {},
  };
};

/** A test in which nothing happened passes too easily: these must have happened. */
const happenings = (seconds: number, evidence: Evidence, counts: TroubleCounts): readonly Verdict[] => {
  const happened = (title: string, checked: number): Verdict => ({ title, checked, unit: '', violations: [] });
  const steps = knownRuns(evidence).flatMap(({ run }) => allSteps(run.steps));
  const attempts = steps.flatMap((step) => step.attempts);
  const movedSteps = steps.filter(({ attempts: of }) => new Set(of.map(({ dispatcher }) => dispatcher)).size > 1);
  return [
    ...[...counts].map(([name, count]) => happened(name, count)),
    happened('dispatchers that made attempts', new Set(attempts.map(({ dispatcher }) => dispatcher)).size),
    // Only a dispatcher that is killed or frozen at the right moment leaves one of these: rare in a short test.
    ...(seconds < SECONDS_FOR_ALL
      ? []
      : [
          happened('attempts of unknown outcome', attempts.filter(({ outcome }) => outcome === 'unknown').length),
          happened('steps that one dispatcher began and another went on with', movedSteps.length),
        ]),
    happened(
      'starts answered as a replay',
      evidence.wishes.reduce((sum, { replays }) => sum + replays, 0),
    ),
    happened(
      'requests to the API without an answer, sent again',
      evidence.wishes.reduce((sum, { unanswered }) => sum + unanswered, 0),
    ),
  ];
};

/** The clocks are one machine's; a decision and the move beside it are noted in two processes. */
const NOTED_WITHIN_MS = 100;

/** A dispatcher makes attempts of a run only while the run's shard is its own, by the moves that were recorded. */
const attemptsByOwnersOnly = (evidence: Evidence, moves: readonly ShardMove[]): readonly Verdict[] => {
  const attempts = knownRuns(evidence).flatMap(({ run }) =>
    allSteps(run.steps).flatMap(({ key, attempts: made }) => made.map((attempt) => ({ id: run.id, key, ...attempt }))),
  );
  const movesOf = Map.groupBy(moves, ({ shard }) => shard);
  const ownerAt = (shard: number, atMs: number): string | null =>
    movesOf.get(shard)?.findLast((move) => move.atMs <= atMs)?.to ?? null;
  const isOwners = (id: string, dispatcher: string | null, atMs: number): boolean =>
    [atMs, atMs - NOTED_WITHIN_MS, atMs + NOTED_WITHIN_MS].some((about) => ownerAt(shardOf(id), about) === dispatcher);
  return [
    {
      title: 'an attempt is made only by the dispatcher that owns the shard of its run then, by the recorded moves',
      checked: attempts.length,
      unit: 'attempts',
      violations: attempts
        .filter(({ id, dispatcher, startedAt }) => !isOwners(id, dispatcher, Date.parse(startedAt)))
        .map(
          ({ id, key, number, dispatcher, startedAt }) =>
            `${id} ${key} attempt ${number} by ${dispatcher} at ${startedAt}: the owner is ${ownerAt(shardOf(id), Date.parse(startedAt))}`,
        ),
    },
  ];
};

const conduct = (
  evidence: Evidence,
  field: Field,
  cluster: Cluster,
  ends: ReadonlyMap<string, number | string | null>,
): readonly Verdict[] => [
  ...accountsAreWhole(evidence, field),
  {
    title: 'a process ended only when it was killed',
    checked: cluster.members.length,
    unit: 'processes',
    violations: cluster.members.flatMap(({ unexpectedEnds }) => unexpectedEnds),
  },
  {
    title: 'and all stopped cleanly in the end',
    checked: ends.size,
    unit: 'stops',
    violations: [...ends].filter(([, end]) => end !== 0).map(([name, end]) => `${name} ended with ${end}`),
  },
];

const keepEvidence = (options: ClusterOptions, evidence: Evidence, verdicts: readonly Verdict[]): Promise<void> => {
  const { requests, runs, listed } = evidence;
  const text = JSON.stringify({ seed: options.seed, verdicts, requests, runs: [...runs], listed: [...listed] });
  return writeFile(join(options.folder, 'evidence.json'), text);
};
