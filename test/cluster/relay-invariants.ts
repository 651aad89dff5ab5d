import type { EventShape } from '../support/shapes.js';
import type { Verdict } from '../crash/invariants.js';
import type { ToldEvent, TopicTally } from './topic-tally.js';

/** What the relay has promised, held against the histories that the API gives: at least once, in order for each run. */
export const judgeRelay = (
  histories: ReadonlyMap<string, readonly EventShape[]>,
  tally: TopicTally,
): readonly Verdict[] => {
  const runs = [...histories].map(([id, events]): Relayed => ({ id, events, told: tally.byRun.get(id) ?? [] }));
  const over = (title: string, violation: (run: Relayed) => string | null): Verdict => ({
    title,
    checked: runs.length,
    unit: 'runs',
    violations: runs.map(violation).filter((text) => text !== null),
  });
  return [
    {
      title: 'the topic was read without a gap',
      checked: tally.received,
      unit: 'messages',
      violations: [...tally.gaps, ...tally.strange.map((place) => `${place} holds no event of a run`)],
    },
    over('the topic holds every event of every run', missing),
    over('in the topic the events of a run are in order, repeats left out', disordered),
    over('all messages of a run are in one partition', scattered),
    over('a message says what the log says', untrue),
  ];
};

type Relayed = { readonly id: string; readonly events: readonly EventShape[]; readonly told: readonly ToldEvent[] };

const missing = ({ id, events, told }: Relayed): string | null => {
  const ids = new Set(told.map((each) => each.id));
  const lost = events.filter((event) => !ids.has(event.id)).map(({ revision, type }) => `${revision} (${type})`);
  return lost.length === 0 ? null : `${id}: ${lost.length} of ${events.length} are not there: ${lost.join(', ')}`;
};

/** A repeat tells nothing new. What is seen for the first time must be the next one, and no later one. */
const disordered = ({ id, told }: Relayed): string | null => {
  let last = -1;
  for (const { revision } of told) {
    if (revision > last + 1) return `${id}: revision ${revision} came when ${last} was the last one`;
    last = Math.max(last, revision);
  }
  return null;
};

const scattered = ({ id, told }: Relayed): string | null => {
  const partitions = new Set(told.map(({ partition }) => partition));
  return partitions.size <= 1 ? null : `${id} is in the partitions ${[...partitions].join(', ')}`;
};

const untrue = ({ id, events, told }: Relayed): string | null => {
  const other = told.find((each) => {
    const event = events[each.revision];
    // Starts that were asked for again are counted now and then: after the end, and after this history was read.
    if (event === undefined) return each.type !== 'DuplicateStartsSeen';
    return event.id !== each.id || event.type !== each.type;
  });
  return other === undefined
    ? null
    : `${id}: the message of revision ${other.revision} tells of ${other.type} ${other.id}, the log of another event`;
};
