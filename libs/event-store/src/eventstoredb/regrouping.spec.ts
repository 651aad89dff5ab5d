import { expect, it } from '@jest/globals';
import { LOG_START, type Audience, type Position } from '../event-store.js';
import { metadataText, sharedText } from './event-metadata.js';
import { ServerEvent, type ReadResponse } from './read-response.js';
import { Regrouping, type Arrival } from './regrouping.js';
import { appendOf } from '../../testing/contract-cases.js';

/** What the server sends of an append, the first of its events at a position. */
const sent = (name: string, first: number, of: number, audience?: Audience): readonly ServerEvent[] => {
  const shared = sharedText({ ...appendOf(name, -1), audience });
  return Array.from({ length: of }, (_, index) =>
    Object.assign(new ServerEvent(), {
      id: crypto.randomUUID(),
      stream: name,
      revision: index,
      commit: first + index,
      eventType: 'Noted',
      metadata: metadataText(shared, { v: 1, index, of }),
      data: '{"text":"x"}',
    }),
  );
};

const checkpoint = (position: number): ReadResponse => ({
  type: 'checkpoint',
  commit: String(position),
  prepare: String(position),
});

/** What comes of what was sent: whole appends by their last position, parts by all of theirs, how far it was looked. */
const comes = (
  responses: readonly ReadResponse[],
  { after = LOG_START, audience }: { after?: number; audience?: Audience } = {},
): readonly string[] => {
  const arrivals: Arrival[] = [];
  const put = (arrival: Arrival): void => void arrivals.push(arrival);
  const regrouping = new Regrouping({ after: after as Position, audience, isOurs: () => true, onForeign: () => {} });
  for (const response of responses) regrouping.take(response, put);
  regrouping.rest(put);
  return arrivals.map((arrival) => {
    if (arrival.type === 'checkpoint') return `looked to ${arrival.commit}`;
    if (arrival.type === 'commit') return `${arrival.commit.stream} to ${arrival.commit.position}`;
    return `part ${arrival.events.map(({ position }) => position).join()}`;
  });
};

it('makes whole appends of events, and says nothing of a place inside one', () => {
  const [a, b] = [sent('a', 10, 3), sent('b', 20, 1)];
  expect(comes([a[0]!, checkpoint(10), a[1]!, checkpoint(11), a[2]!, checkpoint(12), ...b])).toEqual([
    'a to 12',
    'looked to 12',
    'b to 20',
  ]);
});

it('gives what there is of an append whose other events do not come', () => {
  const [a, b, c] = [sent('a', 10, 3), sent('b', 20, 2), sent('c', 30, 4)];
  expect(comes([a[1]!, a[2]!, ...b, c[0]!, c[1]!])).toEqual(['part 11,12', 'b to 21', 'part 30,31']);
  // Alike, and not of one append.
  expect(comes([a[0]!, sent('a', 11, 3)[1]!])).toEqual(['part 10', 'part 12']);
  expect(comes([a[0]!, a[2]!])).toEqual(['part 10', 'part 12']);
});

it('does not come back to what the reader knows', () => {
  const [a, b] = [sent('a', 10, 3), sent('b', 20, 2)];
  expect(comes([a[2]!, ...b], { after: 12 })).toEqual(['b to 21']);
  expect(comes([...a, ...b], { after: 10 })).toEqual(['part 11,12', 'b to 21']);
});

it('passes over what is for another audience, and says how far that is', () => {
  const all = [...sent('a', 10, 2, 'owner'), ...sent('b', 20, 2, 'waiting'), ...sent('c', 30, 1)];
  expect(comes(all, { audience: 'owner' })).toEqual(['a to 11', 'looked to 21', 'c to 30']);
  expect(comes(all, { audience: 'waiting' })).toEqual(['looked to 11', 'b to 21', 'c to 30']);
  expect(comes(all)).toEqual(['a to 11', 'b to 21', 'c to 30']);
});
