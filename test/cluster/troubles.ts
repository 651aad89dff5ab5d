import type { Chance } from '../support/chance.js';
import { httpCall } from '../support/http-client.js';
import { pause } from '../support/pause.js';
import type { Cluster, Member } from './cluster.js';

/** What is done to a cluster, and how often it was done. */
export type TroubleName = 'kill' | 'freeze' | 'cut' | 'stall' | 'event store killed' | 'event store refuses';
export type TroubleCounts = Map<TroubleName, number>;

const READY_TIMEOUT_MS = 60_000;
const PAUSE_MS = [300, 2_000] as const;
const FREEZE_MS = [100, 15_000] as const;
const ROUND: readonly TroubleName[] = [
  'kill',
  'freeze',
  'kill',
  'cut',
  'freeze',
  'stall',
  'kill',
  'event store refuses',
  'event store killed',
];

/** One trouble after the other until the time is over; then everything is at work again. A frozen process stays so while others come. */
export const troubles = async (
  cluster: Cluster,
  chance: Chance,
  untilMs: number,
  tell: (counts: TroubleCounts) => void,
): Promise<TroubleCounts> => {
  const counts: TroubleCounts = new Map();
  const frozen = new Set<Promise<void>>();
  for (let round = 0; performance.now() < untilMs; round++) {
    await pause(chance.between(...PAUSE_MS));
    const name = ROUND[round % ROUND.length]!;
    if (await cause(name, cluster, chance, frozen)) counts.set(name, (counts.get(name) ?? 0) + 1);
    tell(counts);
  }
  await Promise.all(frozen);
  await Promise.all(cluster.members.map((member) => member.ready(READY_TIMEOUT_MS)));
  return counts;
};

/** False when it could not be done, as with a real event store that is not ours to kill. */
const cause = async (
  name: TroubleName,
  cluster: Cluster,
  chance: Chance,
  frozen: Set<Promise<void>>,
): Promise<boolean> => {
  const awake = cluster.members.filter((member) => !member.frozen);
  const proxies = [
    cluster.proxies.postgres,
    ...(cluster.proxies.eventStore === null ? [] : [cluster.proxies.eventStore]),
  ];
  switch (name) {
    case 'kill': {
      const member = chance.oneOf(awake);
      await member.kill();
      member.start();
      return true;
    }
    case 'freeze': {
      const freezing = freezeFor(chance.oneOf(awake), chance);
      frozen.add(freezing);
      void freezing.then(() => frozen.delete(freezing));
      return true;
    }
    case 'cut':
      chance.oneOf(proxies).cut();
      return true;
    case 'stall':
      chance.oneOf(proxies).stall();
      return true;
    case 'event store killed':
      if (cluster.eventStore === null) return false;
      await cluster.eventStore.kill();
      cluster.eventStore.start();
      await cluster.eventStore.child!.printed(/listening on/);
      return true;
    case 'event store refuses': {
      if (cluster.eventStore === null) return false;
      const fault = chance.oneOf(['lose-answer', 'lose-request', 'refuse', 'answer-late']);
      await httpCall('POST', `${cluster.eventStore.url}/control/${fault}?count=${chance.between(1, 20) | 0}&ms=700`);
      return true;
    }
    default:
      return name;
  }
};

const freezeFor = async (member: Member, chance: Chance): Promise<void> => {
  member.freeze();
  // Squared: most are short, some past what a peer puts up with.
  await pause(FREEZE_MS[0] + chance.next() ** 2 * (FREEZE_MS[1] - FREEZE_MS[0]));
  member.thaw();
};
