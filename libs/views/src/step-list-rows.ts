import type { HistoryStep, NodeType, StepStatus } from '#domain';
import type { StepsTable } from './run-list-tables.js';
import type { RunRow } from './run-list-projection.js';
import type { StepListQuery } from './view-store.js';

// How a step stands in a table, in every database, and in a list.

/** More than a run may have events (`STEPWELL_EVENTS_MAX` is at most 1,000,000), and few enough for 8,589,934,591 runs to have safe integers as places. */
export const PLACES_A_RUN = 2 ** 20;

/** Place of a step among all: by the start of its run, then by its entry. A rebuild gives the same. */
export const placeOfStep = (seq: number, enteredRevision: number): number => seq * PLACES_A_RUN + enteredRevision;
export const seqOfStep = (place: number): number => Math.floor(place / PLACES_A_RUN);

/** Names the columns, in the order of `bindStep`. */
export const STEP_COLUMNS: StepsTable = {
  place: 0,
  run: '',
  workflow: '',
  version: '',
  namespace: '',
  queue: '',
  key: '',
  name: '',
  type: '',
  status: '',
  target: '',
  attempts: 0,
  error_name: '',
  error_cause: '',
  entered_at: '',
  started_at: '',
  finished_at: '',
  retry_at: '',
};

/** What changes while a step goes on. */
export const STEP_STATE = {
  status: '',
  attempts: 0,
  error_name: '',
  error_cause: '',
  started_at: '',
  finished_at: '',
  retry_at: '',
} as const satisfies Partial<StepsTable>;

const COLUMNS = Object.keys(STEP_COLUMNS) as readonly (keyof StepsTable)[];

export const bindStep = (row: StepsTable, values: unknown[]): void => {
  for (const column of COLUMNS) values.push(row[column]);
};

/** What a row has of its run. */
export type RunOfStep = Pick<RunRow, 'seq' | 'id' | 'workflow' | 'version' | 'namespace' | 'queue'>;

type Entry = {
  readonly key: string;
  readonly name: string;
  readonly kind: NodeType;
  readonly url: string | null;
  readonly at: string;
  readonly revision: number;
  readonly skipped: boolean;
};

/** A step as it is entered, or skipped. */
export const enteredRow = (run: RunOfStep, { key, name, kind, url, at, revision, skipped }: Entry): StepsTable => ({
  place: placeOfStep(run.seq, revision),
  run: run.id,
  workflow: run.workflow,
  version: run.version === null ? null : String(run.version),
  namespace: run.namespace,
  queue: run.queue,
  key,
  name,
  type: kind,
  status: skipped ? 'skipped' : kind === 'step' ? 'scheduled' : 'running',
  target: url === null ? null : targetOf(url),
  attempts: 0,
  error_name: null,
  error_cause: null,
  entered_at: at,
  started_at: kind === 'step' || skipped ? null : at,
  finished_at: skipped ? at : null,
  retry_at: null,
});

/** A step as the run itself tells of it. */
export const rowOfStep = (run: RunOfStep, step: HistoryStep): StepsTable => {
  const { key, name, kind, status, request, enteredAt, enteredRevision: revision, attempts } = step;
  const url = request?.url ?? null;
  const error = step.error ?? attempts.at(-1)?.error ?? null;
  const entry = enteredRow(run, { key, name, kind, url, at: enteredAt, revision, skipped: status === 'skipped' });
  return {
    ...entry,
    status,
    attempts: attempts.length,
    error_name: error?.name ?? null,
    error_cause: error?.cause ?? null,
    started_at: attempts[0]?.startedAt ?? entry.started_at,
    finished_at: step.finishedAt,
    retry_at: step.retryAt,
  };
};

const REMEMBERED_MAX = 4_096;
const remembered = new Map<string, string | null>();

/** Requests are of the plan's nodes, so that their URLs repeat with every run. */
const targetOf = (url: string): string | null => {
  const known = remembered.get(url);
  if (known !== undefined) return known;
  if (remembered.size >= REMEMBERED_MAX) remembered.clear();
  const target = URL.parse(url)?.origin ?? null;
  remembered.set(url, target);
  return target;
};

/** Whether all filters let it. */
export const isWantedStep = (row: StepsTable, query: StepListQuery): boolean =>
  // A reason for the cast: a row's status is text, and the filter has some of its values.
  (query.statuses === undefined || query.statuses.includes(row.status as StepStatus)) &&
  (query.workflow === undefined || query.workflow === row.workflow) &&
  (query.version === undefined || String(query.version) === row.version) &&
  (query.namespace === undefined || query.namespace === row.namespace) &&
  (query.queue === undefined || query.queue === row.queue) &&
  (query.target === undefined || query.target === row.target) &&
  (query.type === undefined || query.type === row.type) &&
  (query.from === undefined || row.entered_at >= query.from) &&
  (query.to === undefined || row.entered_at < query.to);

/** A row as the JSON text of a `StepListItem`. */
export const stepItemText = (row: StepsTable): string =>
  `{"run":${text(row.run)},"workflow":${text(row.workflow)},` +
  `"version":${row.version === 'draft' ? '"draft"' : row.version},` +
  `"namespace":${text(row.namespace)},"queue":${text(row.queue)},` +
  `"key":${text(row.key)},"name":${text(row.name)},"type":${text(row.type)},"status":${text(row.status)},` +
  `"target":${text(row.target)},"attempts":${row.attempts},` +
  `"error":${row.error_name === null ? null : `{"name":${text(row.error_name)},"cause":${text(row.error_cause)}}`},` +
  `"enteredAt":${text(row.entered_at)},"startedAt":${text(row.started_at)},` +
  `"finishedAt":${text(row.finished_at)},"retryAt":${text(row.retry_at)}}`;

const text = (value: string | null): string => JSON.stringify(value);
