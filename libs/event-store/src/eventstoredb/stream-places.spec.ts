import { expect, it } from '@jest/globals';
import type { StreamName } from '../event-store.js';
import { StreamPlaces } from './stream-places.js';

const name = (index: number): StreamName => `run-00-${index}` as StreamName;

it('keeps the newest place of a stream, whatever order they are heard of in', () => {
  const places = new StreamPlaces();
  const newest = { first: 3, last: 5, server: 1 };
  places.note(name(1), { first: 0, last: 2, server: 0 });
  places.note(name(1), newest);
  places.note(name(1), { first: 0, last: 2, server: 0 });
  expect(places.get(name(1))).toEqual(newest);
  expect(places.get(name(2))).toBe(undefined);
});

it('forgets those of streams not heard of for long, and never more than it has to', () => {
  const places = new StreamPlaces();
  const kept = { first: 0, last: 0, server: 0 };
  const note = (from: number, to: number): void => {
    for (let index = from; index < to; index++) places.note(name(index), kept);
  };
  note(0, 60_000);
  expect(places.get(name(59_999))).toEqual(kept);
  expect(places.get(name(59_999 - 32_767))).toEqual(kept);
  note(60_000, 130_000);
  expect(places.get(name(0))).toBe(undefined);
  expect(places.get(name(59_999))).toBe(undefined);
});
