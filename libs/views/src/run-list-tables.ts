/** One row a run, under its place in the order of starts. */
export type RunsTable = {
  seq: number;
  run_id: string;
  id: string;
  key: string;
  workflow: string | null;
  /** `draft`, or the number as text. */
  version: string | null;
  namespace: string;
  queue: string;
  /** JSON object. */
  tags: string;
  correlation_id: string | null;
  requestor: string | null;
  created_at: string;
  start_position: number;
  status: string;
  reason: string | null;
  error_name: string | null;
  error_cause: string | null;
  finished_at: string | null;
  resolved: number;
  revision: number;
};

/** One row a step that is open, or has ended in another way than by completing. */
export type StepsTable = {
  /** Made of the run's `seq` and the revision at which the step was entered; see `placeOfStep`. */
  place: number;
  /** The id of the run as people see it. */
  run: string;
  workflow: string | null;
  version: string | null;
  namespace: string;
  queue: string;
  key: string;
  name: string;
  type: string;
  status: string;
  /** Origin of the request. */
  target: string | null;
  attempts: number;
  error_name: string | null;
  error_cause: string | null;
  entered_at: string;
  started_at: string | null;
  finished_at: string | null;
  retry_at: string | null;
};

/** Where a run is found by what few runs share; see `run-lookups.ts`. The bucket is a column in SQLite alone. */
export type RunLookupsTable = { bucket: number; hash: number; seq: number; step: string | null };

/** What instants of creation the runs of a bucket have, so that a time range reads few buckets and needs no index. */
export type RunBucketsTable = { bucket: number; created_min: string; created_max: string };

export type ParkedStreamsTable = {
  stream: string;
  position: number;
  revision: number;
  event_type: string;
  error: string;
  skipped: number;
};

/** One row. */
export type CheckpointTable = { one: number; position: number };

/** The tables of a set of views, in every database. */
export type ViewsSchema = {
  runs: RunsTable;
  steps: StepsTable;
  run_lookups: RunLookupsTable;
  run_buckets: RunBucketsTable;
  parked_streams: ParkedStreamsTable;
  checkpoint: CheckpointTable;
  migrations: { version: number; name: string };
};
