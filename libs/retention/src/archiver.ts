import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { endStatusOf, type RunArchived } from '#domain';
import {
  encodeRunEvent,
  firstTypeOf,
  LOG_START,
  recordedAtOf,
  storedEvents,
  type AppendOutcome,
  type Commit,
  type Envelope,
  type EventStore,
  type NewEvent,
  type Position,
  type RecordedEvent,
  type Revision,
  type StreamName,
} from '#event-store';
import { failpoint, instantOf, pause, type Clock, type Entropy, type Log } from '#runtime';
import { ArchiveFolder, ArchiveTaken } from './archive-folder.js';
import { runLines, inspectRun, type FinishedRun } from './archived-run.js';
import { replaceFile, textOf } from './durable-file.js';

const RUNS = { prefixes: ['run-'] };
const PAGE_COMMITS = 512;
const PAGE_BYTES = 4 * 1024 * 1024;
/** Runs written, synced and entered into the manifest together. */
const BATCH_RUNS = 100;
const POLL_MS = 60_000;
const REPEATS_MAX = 50;
const REPEAT_AFTER_MS = 100;
/** How often a run is written again because a repeated start was counted meanwhile. */
const CONFLICTS_MAX = 5;

const afterStub = failpoint(
  'archive.after-stub',
  'A stub has taken the place of a history; the checkpoint is before it.',
);

export type ArchiverOptions = {
  readonly folder: string;
  /** How long a run is kept after its end. */
  readonly ageMs: number;
  readonly runsPerSecond: number;
  /** How often the log is looked at. */
  readonly pollMs?: number;
};

/** The store did not say what became of a stub; the round is begun again later. */
export class ArchiveInterrupted extends Error {
  readonly code = 'archive-interrupted';
  readonly retryable = true;
}

/**
 * Writes finished runs past their age into files, and leaves a stub of each in the log. Follows the log from a checkpoint
 * of its own. In this order, each durable before the next: file, manifest, stubs, checkpoint. So a stop at any point loses
 * nothing, and what was not finished is done again: a run is then in two files. One archiver a log and folder.
 */
export class Archiver {
  #running: { readonly abort: AbortController; readonly ended: Promise<void> } | null = null;
  #folder: ArchiveFolder | null = null;
  /** Since the start. */
  archived = 0;

  constructor(
    private readonly store: EventStore,
    private readonly clock: Clock,
    private readonly entropy: Entropy,
    private readonly log: Log,
    private readonly options: ArchiverOptions,
  ) {}

  /** Begins to follow the log. Idempotent. */
  start(): void {
    if (this.#running !== null) return;
    const abort = new AbortController();
    this.#running = { abort, ended: this.#run(abort.signal) };
  }

  /** Ends after the page under way. Idempotent. */
  async stop(): Promise<void> {
    const running = this.#running;
    this.#running = null;
    running?.abort.abort();
    await running?.ended;
    const folder = this.#folder;
    this.#folder = null;
    await folder?.close();
  }

  async #run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        await this.archiveDue(signal);
      } catch (err) {
        if (signal.aborted) return;
        this.log.error('runs could not be archived; trying again', { err });
        // Taking it back would only make the other end.
        if (err instanceof ArchiveTaken) return;
      }
      await pause(this.clock, this.options.pollMs ?? POLL_MS, signal);
    }
  }

  /** One pass over what the log holds past the checkpoint and is old enough. Returns how many runs were archived. */
  async archiveDue(signal: AbortSignal): Promise<number> {
    const before = this.archived;
    await this.#pass(signal);
    return this.archived - before;
  }

  async #pass(signal: AbortSignal): Promise<void> {
    const until = instantOf(this.clock.nowMs() - this.options.ageMs);
    const checkpoint = await this.#checkpoint();
    let due: StreamName[] = [];
    let after = checkpoint;
    let saved = checkpoint;
    const settle = async (): Promise<void> => {
      await this.#archive(due, signal);
      due = [];
      if (after > saved) await this.#save(after);
      saved = after;
    };
    for (let more = true; more;) {
      signal.throwIfAborted();
      const page = await this.store.readAll(after, { limit: PAGE_COMMITS, bytesMax: PAGE_BYTES, filter: RUNS });
      more = page.length > 0;
      for (const commit of page) {
        if (recordedAtOf(commit) > until) return settle();
        after = commit.position;
        if (endsRun(commit)) due.push(commit.stream);
        if (due.length >= BATCH_RUNS) await settle();
      }
    }
    await settle();
  }

  /** Archives those of the streams that are finished, at no more than the rate. */
  async #archive(streams: readonly StreamName[], signal: AbortSignal): Promise<void> {
    const startMs = this.clock.monotonicMs();
    let left = streams;
    for (let conflicts = 0; left.length > 0; conflicts++) {
      if (conflicts > CONFLICTS_MAX) throw new ArchiveInterrupted(`${left[0]} does not stand still`);
      left = await this.#batch(left, signal);
    }
    const atLeastMs = (streams.length / this.options.runsPerSecond) * 1_000;
    const restMs = atLeastMs - (this.clock.monotonicMs() - startMs);
    if (restMs > 0) await pause(this.clock, restMs, signal);
  }

  /** Returns the streams that have moved on since they were written. */
  async #batch(streams: readonly StreamName[], signal: AbortSignal): Promise<StreamName[]> {
    const day = this.clock.now().slice(0, 10);
    this.#folder ??= await ArchiveFolder.open(this.options.folder, this.entropy.hex(8), day, this.log);
    const finished: FinishedRun[] = [];
    const written = await this.#folder.append(day, this.#lines(streams, finished, signal));
    if (written === null) return [];
    const results = await Promise.all(finished.map((run) => this.#replace(run, written.file)));
    const archived = results.filter(Boolean).length;
    this.archived += archived;
    this.log.info('finished runs were archived', { runs: archived, file: written.file });
    return finished.filter((_, index) => results[index] === false).map(({ stream }) => stream);
  }

  /** The lines of those that are finished, one run in memory at a time, and of it one page. */
  async *#lines(streams: readonly StreamName[], finished: FinishedRun[], signal: AbortSignal) {
    let events = 0;
    for (const stream of streams) {
      const inspected = await inspectRun(this.store, stream, signal);
      if (inspected.status === 'archived' && inspected.stub !== null) await this.#hideHistory(inspected.stub);
      if (inspected.status === 'not a run')
        this.log.error('a run cannot be archived', { stream, reason: inspected.reason });
      if (inspected.status !== 'finished') continue;
      yield* runLines(this.store, inspected, signal);
      finished.push(inspected.run);
      events += inspected.run.revision + 1;
    }
    return { runs: finished.length, events };
  }

  /** Replaces the history by its stub; false when the stream has moved on. */
  async #replace({ stream, revision, ...known }: FinishedRun, file: string): Promise<boolean> {
    const stub: RunArchived = { type: 'RunArchived', ...known, events: revision + 1, file };
    const envelope = {
      commandId: this.entropy.hex(16),
      recordedAt: this.clock.now(),
      actor: null,
      traceparent: null,
    };
    const outcome = await this.#replaceSurely(stream, revision, encodeRunEvent(stub), envelope);
    if (outcome.status === 'conflict') return false;
    afterStub();
    return true;
  }

  /** A stop came between the stub and the hiding of what is before it: the very same archive, asked for again. */
  async #hideHistory({ stream, revision, type, v, data, causation, ...envelope }: RecordedEvent): Promise<void> {
    const { recordedAt, actor, traceparent } = envelope;
    const stub = { type, v, data };
    const before = (revision - 1) as Revision; // the one that it was appended after
    await this.#replaceSurely(stream, before, stub, { commandId: causation, recordedAt, actor, traceparent });
  }

  async #replaceSurely(
    stream: StreamName,
    expected: Revision,
    stub: NewEvent,
    envelope: Envelope,
  ): Promise<Exclude<AppendOutcome, { status: 'unknown' | 'refused' }>> {
    for (let repeats = 0; ; repeats++) {
      const outcome = await this.store.archive(stream, expected, stub, envelope);
      if (outcome.status === 'refused') throw outcome.fault;
      if (outcome.status !== 'unknown') return outcome;
      if (repeats === REPEATS_MAX)
        throw new ArchiveInterrupted(`the outcome of the stub of ${stream} stays unknown`, { cause: outcome.cause });
      await new Promise<void>((resolve) => this.clock.after(REPEAT_AFTER_MS, resolve));
    }
  }

  async #checkpoint(): Promise<Position> {
    const text = await textOf(this.#checkpointFile());
    if (text === null) return LOG_START;
    const { position } = JSON.parse(text) as { position: Position }; // made by `#save`
    if (position <= (await this.store.head())) return position;
    this.log.warn('the archive is ahead of the log, which was replaced by an older one: reading it from its start');
    return LOG_START;
  }

  async #save(position: Position): Promise<void> {
    await mkdir(this.options.folder, { recursive: true });
    await replaceFile(this.#checkpointFile(), `${JSON.stringify({ position })}\n`, this.entropy.hex(4));
  }

  #checkpointFile(): string {
    return join(this.options.folder, 'checkpoint.json');
  }
}

/** Whether a run ends with this append. A repeated start may be counted in the same one, after the end. */
const endsRun = (commit: Commit): boolean =>
  commit.count === 1
    ? endStatusOf(firstTypeOf(commit)) !== null
    : storedEvents(commit).some(({ type }) => endStatusOf(type) !== null);
