import { decodeCursor, encodeCursor } from './run-list-cursor.js';
import { itemText } from './run-list-rows.js';
import type { SeqRange } from './run-list-statements.js';
import type { RunsTable } from './run-list-tables.js';
import type { RunListPage, RunListQuery, StepListQuery } from './view-store.js';

/** The places after the cursor, of those up to `lastSeq`; `null` when the cursor is none of this query. */
export const rangeAfterCursor = (query: RunListQuery | StepListQuery, lastSeq: number): SeqRange | null => {
  const all = { min: 1, max: lastSeq };
  if (query.cursor === undefined) return all;
  const place = decodeCursor(query, query.cursor);
  if (place === null) return null;
  return query.order === 'asc' ? { ...all, min: place + 1 } : { ...all, max: Math.min(lastSeq, place - 1) };
};

/** One more row than asked for tells whether there is a next page. */
export const rowsAskedFor = (query: RunListQuery): number => query.limit + 1;

/** A page of `rowsAskedFor` rows or fewer. */
export const pageOf = (
  query: RunListQuery,
  rows: readonly RunsTable[],
): Omit<Extract<RunListPage, { status: 'page' }>, 'position'> => {
  const items = rows.slice(0, query.limit);
  const last = rows.length > query.limit ? items.at(-1) : undefined;
  return {
    status: 'page',
    items: `[${items.map(itemText).join(',')}]`,
    nextCursor: last === undefined ? null : encodeCursor(query, last.seq),
  };
};
