import { Injectable, type OnModuleDestroy } from '@nestjs/common';
import { foldHistory, isEnded, type HistoryState, type RunEvent, type RunHistory } from '#domain';
import type { RunId } from '#engine';
import { decodeRunEvent, EventStore, LOG_START, runStream, type Position, type Revision } from '#event-store';
import { Clock } from '#runtime';

/** Histories that were shown take so much memory at most, about; others are folded again when they are asked for. */
const KEPT_BYTES_MAX = 64 * 1024 * 1024;
/** The one shown last may be larger than that for so long, since who reads a large run asks for one page after the other. */
const LARGE_BYTES_MAX = 256 * 1024 * 1024;
const LARGE_FOR_MS = 30_000;

/** The run's stream holds what makes no history of this version. */
export class HistoryBroken extends Error {
  readonly code = 'history-broken';
}

type Kept = {
  history: HistoryState | null;
  /** Of the last event folded. */
  position: Position;
  bytes: number;
  /** Reads of one run follow one another. */
  turn: Promise<unknown>;
};

/**
 * The histories of runs, folded from their streams. What was shown of late is kept, so that who asks again has only what came
 * since read: never is anything shown that the log does not say now.
 */
@Injectable()
export class RunHistories implements OnModuleDestroy {
  /** The one shown last comes last. */
  private readonly kept = new Map<RunId, Kept>();
  private bytes = 0;
  /** Takes back that the one that is too large goes; `null`: there is none. */
  private keepLarge: (() => void) | null = null;
  private stopped = false;

  constructor(
    private readonly store: EventStore,
    private readonly clock: Clock,
  ) {}

  onModuleDestroy(): void {
    this.stopped = true;
    this.keepLarge?.();
  }

  /** The history of a run that had ended when it was shown last; good for this turn. */
  ended(runId: RunId): RunHistory | null {
    const history = this.kept.get(runId)?.history ?? null;
    return history !== null && isEnded(history) ? history : null;
  }

  /**
   * Calls `show` with the history as of a revision, or as it is now (`null`); what it is given is good until it returns. Gives
   * `null` without a call when there is no such run, or when the history is past that revision.
   */
  async show<Shown>(
    runId: RunId,
    revision: number | null,
    show: (history: RunHistory, position: Position) => Shown,
  ): Promise<Shown | null> {
    const kept = this.kept.get(runId) ?? { history: null, position: LOG_START, bytes: 0, turn: Promise.resolve() };
    // At once, so that who asks meanwhile waits for the same; and last, so that it is the last to go.
    this.kept.delete(runId);
    this.kept.set(runId, kept);
    const shown = kept.turn.then(async () => {
      await this.readUpTo(runId, kept, revision);
      const { history, position } = kept;
      return history === null || (revision !== null && history.revision > revision) ? null : show(history, position);
    });
    // A read that fails is its caller's: the next goes on from where it came to.
    kept.turn = shown.then(nothing, nothing);
    try {
      return await shown;
    } finally {
      if (kept.history === null) this.forget(runId, kept);
      this.makeRoom();
    }
  }

  private async readUpTo(runId: RunId, kept: Kept, revision: number | null): Promise<void> {
    const known = kept.history?.revision ?? -1;
    if (revision !== null && known >= revision) return;
    // The next revision of the same stream.
    const from = known === -1 ? undefined : { from: (known + 1) as Revision };
    for await (const page of this.store.readPages(runStream(runId), from)) {
      for (const { type, v, data, revision: at, recordedAt, position } of page) {
        if (revision !== null && at > revision) return;
        try {
          const event = decodeRunEvent(type, v, data);
          kept.history = foldHistory(kept.history, event, recordedAt);
          kept.position = position;
          this.take(runId, kept, bytesOf(kept.history, event));
        } catch (cause) {
          // Half of the event may be folded.
          kept.history = null;
          throw new HistoryBroken(`revision ${at}, ${type}, of run ${runId} cannot be shown`, { cause });
        }
      }
    }
  }

  /** Counts what it has grown by, while it is kept. */
  private take(runId: RunId, kept: Kept, bytes: number): void {
    kept.bytes += bytes;
    if (this.kept.get(runId) === kept) this.bytes += bytes;
  }

  private makeRoom(): void {
    this.keepLarge?.();
    this.keepLarge = null;
    for (const [runId, kept] of this.kept) {
      if (this.bytes <= KEPT_BYTES_MAX) return;
      if (this.kept.size > 1 || this.bytes > LARGE_BYTES_MAX || this.stopped) this.forget(runId, kept);
      else this.keepLarge = this.clock.after(LARGE_FOR_MS, () => this.forget(runId, kept));
    }
  }

  private forget(runId: RunId, kept: Kept): void {
    if (this.kept.get(runId) !== kept) return;
    this.kept.delete(runId);
    this.bytes -= kept.bytes;
  }
}

/** What is waited for, and not looked at. */
const nothing = (): void => undefined;

/** Measured: a step with one attempt takes 716 bytes, its four events together. */
const STEP_BYTES = 400;
const EVENT_BYTES = 120;
/** A character outside Latin-1 makes all of its text take two bytes each. */
const CHARACTER_BYTES = 2;

/** What the event that was folded last has added to a history, about. No text is looked at. */
const bytesOf = (history: HistoryState | null, event: RunEvent): number => {
  let bytes = event.type === 'RunStarted' || event.type === 'StepEntered' ? STEP_BYTES : EVENT_BYTES;
  for (const { text } of history?.payloads.get(history.revision) ?? []) bytes += text.length * CHARACTER_BYTES;
  if (event.type !== 'AttemptFailed') return bytes;
  return bytes + ((event.error.cause?.length ?? 0) + (event.body?.length ?? 0)) * CHARACTER_BYTES;
};
