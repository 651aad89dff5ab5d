import type { Chance } from '../support/chance.js';
import type { FaultProxy } from '../support/fault-proxy.js';
import { httpCall } from '../support/http-client.js';
import { pause } from '../support/pause.js';
import type { Cluster, Member } from './cluster.js';

/** What is done to a cluster, and how often it was done. */
export type TroubleName =
  'kill' | 'freeze' | 'cut' | 'stall' | 'event store killed' | 'event store refuses' | 'broker away' | 'broker silent';
export type TroubleCounts = Map<TroubleName, number>;

const READY_TIMEOUT_MS = 60_000;
const PAUSE_MS = [300, 2_000] as const;
const FREEZE_MS = [100, 15_000] as const;
const BROKER_MS = [200, 5_000] as const;
const ROUND: readonly TroubleName[] = [
  'kill',
  'freeze',
  'kill',
  'cut',
  'freeze',
  'broker away',
  'stall',
  'kill',
  'event store refuses',
  'broker silent',
  'event store killed',
];

/** One trouble after the other until the time is over; then everything is at work again. A frozen process and a broker that is away stay so while others come. */
export const troubles = async (
  cluster: Cluster,
  chance: Chance,
  untilMs: number,
  tell: (counts: TroubleCounts) => void,
): Promise<TroubleCounts> => {
  const counts: TroubleCounts = new Map();
  const lasting = new Set<Promise<void>>();
  for (let round = 0; performance.now() < untilMs; round++) {
    await pause(chance.between(...PAUSE_MS));
    const name = ROUND[round % ROUND.length]!;
    if (await cause(name, cluster, chance, { lasting, kills: counts.get('kill') ?? 0 }))
      counts.set(name, (counts.get(name) ?? 0) + 1);
    tell(counts);
  }
  await Promise.all(lasting);
  await Promise.all(cluster.members.map((member) => member.ready(READY_TIMEOUT_MS)));
  return counts;
};

/** False when it could not be done, as with a real event store that is not ours to kill. */
const cause = async (
  name: TroubleName,
  cluster: Cluster,
  chance: Chance,
  { lasting, kills }: { readonly lasting: Set<Promise<void>>; readonly kills: number },
): Promise<boolean> => {
  const awake = cluster.members.filter((member) => !member.frozen);
  const proxies = [
    cluster.proxies.postgres,
    ...(cluster.proxies.eventStore === null ? [] : [cluster.proxies.eventStore]),
  ];
  const last = (trouble: Promise<void>): void => {
    lasting.add(trouble);
    void trouble.then(() => lasting.delete(trouble));
  };
  switch (name) {
    case 'kill': {
      // By turns, since chance alone spares all of one kind once in some hundred runs: then a row has nothing to show.
      const kinds = [cluster.apis, cluster.dispatchers, cluster.projectors];
      const ofKind = kinds[kills % kinds.length]!.filter((member) => !member.frozen);
      const member = chance.oneOf(ofKind.length > 0 ? ofKind : awake);
      await member.kill();
      member.start();
      return true;
    }
    case 'freeze': {
      last(freezeFor(chance.oneOf(awake), chance));
      return true;
    }
    case 'cut':
      chance.oneOf(proxies).cut();
      return true;
    case 'stall':
      chance.oneOf(proxies).stall();
      return true;
    case 'broker away':
    case 'broker silent':
      if (cluster.relayTopic === null) return false;
      last(withoutBroker(cluster.relayTopic.proxies, name, chance));
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

/** The relay finds its broker gone, or one that takes its requests and says nothing; a short while later it is there again. */
const withoutBroker = async (
  proxies: readonly FaultProxy[],
  how: 'broker away' | 'broker silent',
  chance: Chance,
): Promise<void> => {
  for (const proxy of proxies) {
    if (how === 'broker away') await proxy.cut();
    else proxy.stall();
  }
  await pause(chance.between(...BROKER_MS));
  await Promise.all(proxies.map((proxy) => proxy.heal()));
};
