import type Sqlite from 'better-sqlite3';
import type { Commit, Filter, Position, ReadAllOptions, RecordedEvent, Revision, StreamName } from '../event-store.js';
import { LOG_START, PAGE_BYTES_MAX, PAGE_EVENTS_MAX } from '../event-store.js';
import type { Page } from '../log-followers.js';
import { lets } from '../log-followers.js';
import { lastPosition, POSITIONS_AN_APPEND, unpack } from '../packed.js';
import { logPath, nameHash, openForReading } from './log-file.js';

type Row = [id: number, stream: StreamName, firstRevision: number, count: number, packed: string];

/** How much one synchronous read takes at most, so that the thread's other work is not kept waiting (a few ms). */
const PAGE_COMMITS_MAX = 1024;
/** How many appends a filtered read looks at before it lets others go on. */
const PAGE_SCAN_MAX = 16_384;

/** Reads a log that this or another process writes. Fails by `LogUnusable` on a file that is no log, throws when there is none. */
export const openSqliteLogReader = (folder: string): SqliteLogReader =>
  new SqliteLogReader(openForReading(logPath(folder)));

/** Reads of the log through a connection of its own. Every read sees all that was committed before it began. */
export class SqliteLogReader {
  readonly #db: Sqlite.Database;
  readonly #sql: Statements;
  /** By reads of one stream. */
  appendsRead = 0;
  readonly #byPrefixes = new Map<number, ReturnType<typeof scanByPrefixes>>();

  constructor(db: Sqlite.Database) {
    this.#db = db;
    this.#sql = prepare(db);
  }

  close(): void {
    this.#db.close();
  }

  head(): Position {
    const last = this.#sql.last.get();
    return last === undefined ? LOG_START : lastPosition(...last);
  }

  async readStream(
    stream: StreamName,
    { from, limit = Infinity }: { from?: Revision; limit?: number } = {},
  ): Promise<readonly RecordedEvent[]> {
    const events: RecordedEvent[] = [];
    if (limit < 1) return events;
    for await (const page of this.readPages(stream, { ...(from && { from }), limit })) {
      for (const event of page) if (events.length < limit) events.push(event);
      if (events.length >= limit) break;
    }
    return events;
  }

  /** `limit`: what is not asked for is not looked at. */
  async *readPages(
    stream: StreamName,
    { from = 0 as Revision, limit = Infinity }: { from?: Revision; limit?: number } = {},
  ): AsyncGenerator<readonly RecordedEvent[]> {
    const id = this.#streamId(stream);
    if (id === null) return;
    for (let next = from, left = limit; ;) {
      const { events, atEnd } = this.#streamPage({ id, stream, from: next }, Math.min(left, PAGE_EVENTS_MAX));
      const last = events.at(-1);
      if (last !== undefined) yield events;
      if (atEnd || last === undefined) return;
      next = (last.revision + 1) as Revision; // the next of the same stream
      left -= events.length;
      if (left <= 0) return;
      await breathe();
    }
  }

  /** Whole appends up to a bound. One statement, so that an archive beside it is seen before or after, never in the middle. */
  #streamPage(
    { id, stream, from }: { id: number; stream: StreamName; from: Revision },
    eventsMax: number,
  ): { events: readonly RecordedEvent[]; atEnd: boolean } {
    const events: RecordedEvent[] = [];
    let bytes = 0;
    for (const [append, first, count, packed] of this.#sql.stream.iterate({ id, from })) {
      this.appendsRead += 1;
      for (const event of unpack(toCommit([append, stream, first, count, packed])))
        if (event.revision >= from) events.push(event);
      bytes += packed.length;
      if (events.length >= eventsMax || bytes >= PAGE_BYTES_MAX) return { events, atEnd: false };
    }
    return { events, atEnd: true };
  }

  /** Commits after a position; between pages the thread's other work gets its turn. */
  async readAll(
    after: Position,
    { limit, bytesMax = Infinity, filter = {} }: ReadAllOptions,
  ): Promise<readonly Commit[]> {
    const found: Commit[] = [];
    let bytes = 0;
    for (let cursor = after; ;) {
      const page = this.page(cursor, filter, { commitsMax: limit - found.length, bytesMax: bytesMax - bytes });
      for (const commit of page.commits) {
        found.push(commit);
        bytes += commit.packed.length;
      }
      if (page.atEnd || found.length >= limit || bytes >= bytesMax) return found;
      cursor = page.scannedTo;
      await breathe();
    }
  }

  /** The next piece of the log, bounded in commits, bytes and rows looked at. */
  page(
    after: Position,
    filter: Filter = {},
    { commitsMax = PAGE_COMMITS_MAX, bytesMax = PAGE_BYTES_MAX }: { commitsMax?: number; bytesMax?: number } = {},
  ): Page {
    const last = this.#sql.last.get();
    if (last === undefined) return { commits: [], scannedTo: after, atEnd: true };
    const max = Math.min(commitsMax, PAGE_COMMITS_MAX);
    const most = Math.min(bytesMax, PAGE_BYTES_MAX);
    const first = Math.floor(after / POSITIONS_AN_APPEND);
    const until = filter.stream === undefined ? Math.min(last[0], first + PAGE_SCAN_MAX) : last[0];
    const commits: Commit[] = [];
    let bytes = 0;
    for (const row of this.#rows(first, until, filter)) {
      const commit = toCommit(row);
      if (commit.position <= after || !lets(filter, commit.stream)) continue;
      commits.push(commit);
      bytes += commit.packed.length;
      if (commits.length >= max || bytes >= most) {
        return { commits, scannedTo: commit.position, atEnd: false };
      }
    }
    const atEnd = until === last[0];
    const scannedTo = atEnd ? lastPosition(...last) : lastPosition(until, POSITIONS_AN_APPEND);
    return { commits, scannedTo: scannedTo > after ? scannedTo : after, atEnd };
  }

  #rows(first: number, until: number, { stream, prefixes }: Filter): Iterable<Row> {
    if (stream !== undefined) {
      const id = this.#streamId(stream);
      return id === null ? [] : this.#sql.scanStream.iterate({ id, name: stream, first, until });
    }
    if (prefixes === undefined) return this.#sql.scan.iterate(first, until);
    let scan = this.#byPrefixes.get(prefixes.length);
    if (scan === undefined) this.#byPrefixes.set(prefixes.length, (scan = scanByPrefixes(this.#db, prefixes.length)));
    return scan.iterate(first, until, ...prefixes.flatMap((prefix) => [prefix, prefix + LAST_CHARACTER]));
  }

  #streamId(stream: StreamName): number | null {
    const named = this.#sql.streamsByHash.all(nameHash(stream)).find(([, name]) => name === stream);
    return named === undefined ? null : named[0];
  }
}

const breathe = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const LAST_CHARACTER = '\u{10FFFF}';

const toCommit = ([id, stream, firstRevision, count, packed]: Row): Commit => ({
  stream,
  // Rows hold what the writer counted.
  firstRevision: firstRevision as Revision,
  count,
  position: lastPosition(id, count),
  packed,
});

type Statements = ReturnType<typeof prepare>;

const SCAN = `
  SELECT a.id, s.name, a.first_revision, a.count, a.packed
  FROM appends a JOIN streams s ON s.id = a.stream
  WHERE a.id BETWEEN ? AND ?`;

const prepare = (db: Sqlite.Database) => ({
  last: db.prepare<[], [id: number, count: number]>('SELECT id, count FROM appends ORDER BY id DESC LIMIT 1').raw(),
  // Index streams_by_name_hash.
  streamsByHash: db
    .prepare<[hash: number], [id: number, name: StreamName]>('SELECT id, name FROM streams WHERE name_hash = ?')
    .raw(),
  // Index appends_by_stream, twice: the append that holds the first revision asked for, then onwards from it.
  stream: db
    .prepare<[{ id: number; from: number }], [id: number, firstRevision: number, count: number, packed: string]>(
      `SELECT id, first_revision, count, packed FROM appends
       WHERE stream = @id AND first_revision >= coalesce(
         (SELECT max(first_revision) FROM appends WHERE stream = @id AND first_revision <= @from), 0)
         AND first_revision + count > @from
       ORDER BY first_revision`,
    )
    .raw(),
  // Index appends_by_stream; the append that was read last tells where to go on, so that pages do not begin at 0 again.
  scanStream: db
    .prepare<[{ id: number; name: string; first: number; until: number }], Row>(
      `SELECT id, @name, first_revision, count, packed FROM appends
       WHERE stream = @id AND first_revision >= coalesce(
         (SELECT first_revision FROM appends WHERE id = @first AND stream = @id), 0)
         AND id BETWEEN @first AND @until
       ORDER BY first_revision`,
    )
    .raw(),
  // Primary keys of both tables.
  scan: db.prepare<[first: number, until: number], Row>(`${SCAN} ORDER BY a.id`).raw(),
});

/** As `scan`, with names between each pair of bounds only: other appends are not even copied out. */
const scanByPrefixes = (db: Sqlite.Database, count: number) => {
  const bounds = Array.from({ length: count }, () => 's.name BETWEEN ? AND ?').join(' OR ');
  return db.prepare<unknown[], Row>(`${SCAN} AND (${count === 0 ? 'FALSE' : bounds}) ORDER BY a.id`).raw();
};
