import { parseJson } from '#domain';
import { canonicalJson, sha256Hex } from '#runtime';
import type { RunListQuery, StepListQuery } from './view-store.js';

const VERSION = 1;
const FILTERS_HASH_CHARACTERS = 16;
const CURSOR = /^[A-Za-z0-9_-]{1,256}$/;

/** What a cursor must share with the query it is sent with: all filters and the order, but not the size of the page. */
const filtersHash = (query: RunListQuery | StepListQuery): string => {
  const { limit: _limit, cursor: _cursor, minPosition: _minPosition, statuses, ...filters } = query;
  const given = { ...filters, ...(statuses && { statuses: [...new Set(statuses)].sort() }) };
  // Through JSON, which leaves out what was not given.
  return sha256Hex(canonicalJson(parseJson(JSON.stringify(given)))).slice(0, FILTERS_HASH_CHARACTERS);
};

/** Opaque: where the next page of this query goes on, after that place. Right however many rows come in between. */
export const encodeCursor = (query: RunListQuery | StepListQuery, place: number): string =>
  Buffer.from(JSON.stringify([VERSION, filtersHash(query), place])).toString('base64url');

/** The place in a cursor of this query; `null` for garbage and for cursors of other filters. */
export const decodeCursor = (query: RunListQuery | StepListQuery, cursor: string): number | null => {
  if (!CURSOR.test(cursor)) return null;
  const text = Buffer.from(cursor, 'base64url').toString();
  const place = Number(/,(\d{1,16})\]$/.exec(text)?.[1]);
  // Made again from what was read: there is one text for each place.
  return Number.isSafeInteger(place) && encodeCursor(query, place) === cursor ? place : null;
};
