import { parseJson, type RunStatus } from '#domain';
import type { Position, Revision, StreamName } from '#event-store';
import type { RunListChanges, RunRow } from './run-list-projection.js';
import type { ParkedStreamsTable, RunBucketsTable, RunLookupsTable, RunsTable } from './run-list-tables.js';
import { bucketOf, lookupHash, stepHash, tagHash, versionHash } from './run-lookups.js';
import type { ParkedStream } from './view-store.js';

// How the projection's values stand in tables, in every database.

/** Names the columns, in the order of `bindRun`. */
export const RUN_COLUMNS: RunsTable = {
  seq: 0,
  run_id: '',
  id: '',
  key: '',
  workflow: '',
  version: '',
  namespace: '',
  queue: '',
  tags: '',
  correlation_id: '',
  requestor: '',
  created_at: '',
  start_position: 0,
  status: '',
  reason: '',
  error_name: '',
  error_cause: '',
  finished_at: '',
  resolved: 0,
  revision: 0,
};

export const bindRun = (row: RunRow, values: unknown[]): void => {
  values.push(
    row.seq,
    row.runId,
    row.id,
    row.key,
    row.workflow,
    row.version === null ? null : String(row.version),
    row.namespace,
    row.queue,
    JSON.stringify(row.tags),
    row.correlationId,
    row.requestor,
    row.createdAt,
    row.startPosition,
    row.status,
    row.reason,
    row.error?.name ?? null,
    row.error?.cause ?? null,
    row.finishedAt,
    row.resolved ? 1 : 0,
    row.revision,
  );
};

/** What `bindRun` has written. */
export const runRow = (row: RunsTable): RunRow => ({
  seq: row.seq,
  runId: row.run_id,
  id: row.id,
  key: row.key,
  workflow: row.workflow,
  version: row.version === null || row.version === 'draft' ? row.version : Number(row.version),
  namespace: row.namespace,
  queue: row.queue,
  tags: parseJson(row.tags) as RunRow['tags'],
  correlationId: row.correlation_id,
  requestor: row.requestor,
  createdAt: row.created_at,
  startPosition: row.start_position as Position,
  status: row.status as RunStatus,
  reason: row.reason,
  error: row.error_name === null ? null : { name: row.error_name, cause: row.error_cause },
  finishedAt: row.finished_at,
  resolved: row.resolved === 1,
  revision: row.revision,
});

/** A row of `parked_streams` as the port shows it. */
export const parkedStream = (row: ParkedStreamsTable): ParkedStream => ({
  stream: row.stream as StreamName,
  position: row.position as Position,
  revision: row.revision as Revision,
  eventType: row.event_type,
  error: row.error,
  skipped: row.skipped,
});

/** A row as the JSON text of a `RunListItem`; the tags are JSON already. */
export const itemText = (row: RunsTable): string =>
  `{"id":${text(row.id)},"key":${text(row.key)},"workflow":${text(row.workflow)},` +
  `"version":${row.version === 'draft' ? '"draft"' : row.version},` +
  `"namespace":${text(row.namespace)},"queue":${text(row.queue)},"tags":${row.tags},` +
  `"correlationId":${text(row.correlation_id)},"requestor":${text(row.requestor)},` +
  `"status":${text(row.status)},"reason":${text(row.reason)},` +
  `"error":${row.error_name === null ? null : `{"name":${text(row.error_name)},"cause":${text(row.error_cause)}}`},` +
  `"createdAt":${text(row.created_at)},"finishedAt":${text(row.finished_at)},` +
  `"resolved":${row.resolved === 1},"parent":null,"revision":${row.revision}}`;

const text = (value: string | null): string => JSON.stringify(value);

/**
 * Where the runs of a batch are found, sorted, since neighbours in the table are then written together. `byRunId`: also
 * by the run's name, for a database that has no index of them.
 */
export const lookupsOf = (
  { inserted, attempted }: Pick<RunListChanges, 'inserted' | 'attempted'>,
  byRunId: boolean,
): RunLookupsTable[] => {
  const lookups: RunLookupsTable[] = [];
  const add = (hash: number, seq: number, step: string | null): void => {
    lookups.push({ bucket: bucketOf(seq), hash, seq, step });
  };
  for (const row of inserted) {
    const { seq, workflow, version, correlationId, requestor } = row;
    if (byRunId) add(lookupHash('run-id', row.runId), seq, null);
    add(lookupHash('key', row.key), seq, null);
    if (workflow !== null && version !== null) add(versionHash(workflow, String(version)), seq, null);
    if (correlationId !== null) add(lookupHash('correlation-id', correlationId), seq, null);
    if (requestor !== null) add(lookupHash('requestor', requestor), seq, null);
    for (const name in row.tags) add(tagHash(name, row.tags[name]!), seq, null);
  }
  for (const { seq, runId, step } of attempted) add(stepHash(runId, step), seq, step);
  return lookups.sort((a, b) => a.bucket - b.bucket || a.hash - b.hash || a.seq - b.seq);
};

/** Instants of creation of the new runs of each bucket. */
export const bucketTimes = (inserted: readonly RunRow[]): RunBucketsTable[] => {
  const times: RunBucketsTable[] = [];
  for (const { seq, createdAt } of inserted) {
    const last = times.at(-1);
    if (last?.bucket !== bucketOf(seq)) {
      times.push({ bucket: bucketOf(seq), created_min: createdAt, created_max: createdAt });
      continue;
    }
    if (createdAt < last.created_min) last.created_min = createdAt;
    if (createdAt > last.created_max) last.created_max = createdAt;
  }
  return times;
};
