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
  private readonly started = new Map<string, string>();

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
    const said: string[] = [];
    for (const { type, v, data } of events) {
      const event = decodeRunEvent(type, v, data);
      entries.push({ event, recordedAt, actor, atMs: this.nowMs() });
      said.push(saidOf(event));
      if (event.type === 'AttemptStarted') this.started.set(nameOf(runId, event.step, event.attempt), event.dispatcher);
    }
    const by = actor === null ? '' : `, by ${actor}`;
    this.told(`${runId} ${expected + 1}: ${said.join(', ')}${by} at ${recordedAt.slice(14, -1)}`);
  }

  of(runId: RunId): readonly Entry[] {
    return this.runs.get(runId) ?? [];
  }

  ids(): readonly RunId[] {
    return [...this.runs.keys()];
  }

  /** Which dispatcher has started the attempt; `null` when the log does not say by now that it was started. */
  starterOf(runId: RunId, step: StepKey, attempt: number): string | null {
    return this.started.get(nameOf(runId, step, attempt)) ?? null;
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

/** What a reader of the trace wants to know of an event. */
const saidOf = (event: RunEvent): string => {
  const of = 'step' in event ? ` ${event.step}` : '';
  const attempt = 'attempt' in event ? ` ${event.attempt}` : '';
  const until = 'retryAt' in event && event.retryAt !== null ? ` until ${event.retryAt.slice(14, -1)}` : '';
  return `${event.type}${of}${attempt}${until}`;
};

export const nameOf = (runId: string, step: StepKey, attempt: number): string => `${runId} ${step} ${attempt}`;
