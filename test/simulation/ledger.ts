import type { RunEvent, StepKey } from '#domain';
import type { RunId } from '#engine';
import { decodeRunEvent, runIdOf, type Append } from '#event-store';

/** An event as it stands in the log. */
export type Entry = {
  readonly event: RunEvent;
  readonly recordedAt: string;
  readonly actor: string | null;
  /** When it got there, by the clock of the world. */
  readonly atMs: number;
};

/**
 * What the log has of each run, kept as each append gets there: at any moment it says what the log says, without asking the
 * log, and without a word of the product.
 */
export class Ledger {
  private readonly runs = new Map<RunId, Entry[]>();
  private readonly started = new Set<string>();

  constructor(
    private readonly nowMs: () => number,
    private readonly told: (line: string) => void,
  ) {}

  /** The log has it now; a repetition of what it has already is none. */
  note({ stream, expected, events, envelope: { recordedAt, actor } }: Append): void {
    const runId = runIdOf(stream) as RunId | null; // the name of a run's stream holds the run's id
    if (runId === null) return;
    const entries = this.runs.get(runId) ?? [];
    this.runs.set(runId, entries);
    if (expected + 1 !== entries.length) return;
    this.told(
      `${runId} ${expected + 1}: ${events.map(({ type }) => type).join(' ')}${actor === null ? '' : `, by ${actor}`}`,
    );
    for (const { type, v, data } of events) {
      const event = decodeRunEvent(type, v, data);
      entries.push({ event, recordedAt, actor, atMs: this.nowMs() });
      if (event.type === 'AttemptStarted') this.started.add(nameOf(runId, event.step, event.attempt));
    }
  }

  of(runId: RunId): readonly Entry[] {
    return this.runs.get(runId) ?? [];
  }

  ids(): readonly RunId[] {
    return [...this.runs.keys()];
  }

  /** Whether the log says by now that the attempt was started. */
  isStarted(runId: RunId, step: StepKey, attempt: number): boolean {
    return this.started.has(nameOf(runId, step, attempt));
  }

  /** How the run has ended, as far as the log says by now, or said at a revision. */
  endOf(runId: RunId, revision = Infinity): string | null {
    for (const [at, { event }] of this.of(runId).entries()) {
      if (at > revision) return null;
      const end = ENDS[event.type];
      if (end !== undefined) return end;
    }
    return null;
  }
}

const ENDS: Readonly<Record<string, string>> = {
  RunCompleted: 'completed',
  RunFailed: 'failed',
  RunCancelled: 'cancelled',
  RunTimedOut: 'timed-out',
};

export const nameOf = (runId: string, step: StepKey, attempt: number): string => `${runId} ${step} ${attempt}`;
