import { describe, expect, it } from '@jest/globals';
import { passes } from '../crash/invariants.js';
import type { EventShape } from '../support/shapes.js';
import { judgeRelay } from './relay-invariants.js';
import { TopicTally, type ToldEvent } from './topic-tally.js';

// A judge who never condemns proves nothing: each promise is broken once here, and must be the one that fails.

const TYPES = ['RunStarted', 'AttemptStarted', 'AttemptSucceeded', 'RunCompleted'];
const idOf = (runId: string, revision: number): string => `${runId}-${revision}`;

const histories = new Map(
  ['r1', 'r2'].map((runId): [string, EventShape[]] => [
    runId,
    TYPES.map((type, revision) => ({ id: idOf(runId, revision), type, revision, recordedAt: '', data: {} })),
  ]),
);

const told = (runId: string, revision: number, type = TYPES[revision] ?? 'DuplicateStartsSeen'): ToldEvent => ({
  runId,
  revision,
  id: idOf(runId, revision),
  type,
  partition: 0,
});

/** As a relay does that has begun anew in the middle: both runs whole and in order, with repeats. */
const asItShouldBe = (): ToldEvent[] => [
  ...[0, 1].map((revision) => told('r1', revision)),
  ...[0, 1, 2].map((revision) => told('r2', revision)),
  told('r1', 1),
  ...[1, 2, 3].map((revision) => told('r2', revision)),
  ...[2, 3].map((revision) => told('r1', revision)),
];

const tallyOf = (messages: readonly ToldEvent[]): TopicTally => {
  const tally = new TopicTally();
  const places = new Map<number, bigint>();
  for (const message of messages) {
    const place = places.get(message.partition) ?? 0n;
    places.set(message.partition, place + 1n);
    tally.see(message.partition, place, message);
  }
  return tally;
};

const failing = (tally: TopicTally): readonly string[] =>
  judgeRelay(histories, tally)
    .filter((verdict) => !passes(verdict))
    .map(({ title }) => title);

const ALL = 'the topic holds every event of every run';
const ORDER = 'in the topic the events of a run are in order, repeats left out';
const ONE_PARTITION = 'all messages of a run are in one partition';
const TRUE = 'a message says what the log says';

const BREACHES: readonly [promise: string, breach: string, commit: (messages: ToldEvent[]) => readonly ToldEvent[]][] =
  [
    [ALL, 'an event was left out', (messages) => messages.filter(({ id }) => id !== 'r2-3')],
    [ALL, 'nothing is told of a run', (messages) => messages.filter(({ runId }) => runId !== 'r1')],
    [
      ORDER,
      'an event comes before the one that precedes it',
      (messages) => [told('r1', 0), told('r1', 2), ...messages],
    ],
    [ORDER, 'an event was left out and came later', (messages) => [told('r2', 1), ...messages]],
    [
      ONE_PARTITION,
      'some messages of a run have another key',
      (messages) => messages.map((message, index) => (index === 1 ? { ...message, partition: 1 } : message)),
    ],
    [TRUE, 'a repeat tells of another event', (messages) => [...messages, { ...told('r1', 2), id: 'other' }]],
    [TRUE, 'a message bears another type', (messages) => [...messages, told('r1', 2, 'AttemptFailed')]],
    [TRUE, 'an event is told of that the log does not hold', (messages) => [...messages, told('r1', 4, 'StepEntered')]],
  ];

describe('the judge of the relay', () => {
  it('finds nothing against a topic as it should be', () => {
    expect(failing(tallyOf(asItShouldBe()))).toEqual([]);
  });

  it.each(BREACHES)('condemns by "%s" when %s', (promise, _, commit) => {
    expect(failing(tallyOf(commit(asItShouldBe())))).toContain(promise);
  });

  it('takes no offence at starts that were counted after the history was read', () => {
    expect(failing(tallyOf([...asItShouldBe(), told('r1', 4)]))).toEqual([]);
  });

  it('passes over what a reader that joins anew is given a second time', () => {
    const tally = tallyOf(asItShouldBe());
    tally.see(0, 0n, told('r1', 0));
    expect([tally.received, tally.repeats, failing(tally)]).toEqual([11, 3, []]);
  });

  it('proves nothing when the reader came too late for some messages, or cannot read them', () => {
    const late = tallyOf(asItShouldBe());
    late.see(0, 20n, told('r1', 3));
    const strange = tallyOf(asItShouldBe());
    strange.see(1, 0n, null);
    for (const tally of [late, strange]) expect(failing(tally)).toEqual(['the topic was read without a gap']);
  });

  it('does not let a promise pass that was held against nothing', () => {
    expect(judgeRelay(new Map(), new TopicTally()).every((verdict) => !passes(verdict))).toBe(true);
  });
});
