import { END_STATUSES, endStatusOf, type EndStatus } from '#domain';
import type { AppendOutcome, NewEvent } from '#event-store';
import { Histogram, type MetricSources } from '#runtime';

const OUTCOMES = ['appended', 'conflict', 'refused', 'unknown'] as const satisfies readonly AppendOutcome['status'][];
/** From half a millisecond, a commit of the embedded log alone, to the time-out of an append. */
const APPEND_SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/**
 * What an append takes follows slower ones slowly and quicker ones at once, so it is what all but the quickest tenth take: one
 * that waited for the disk is none of a load, and a few quick ones end it, for whoever comes after a rush.
 */
const SLOWER_SHARE = 1 / 32;
const QUICKER_SHARE = 1 / 4;
/** Appends that take so long wait in line: the log, or this machine, is under load. */
const SLOW_APPEND_MS = 40;
const GATHER_MS_MAX = 80;

/** What an engine has done since its start, in plain fields: it stands in the hottest path. */
export class EngineCounts {
  started = 0;
  readonly ended: Record<EndStatus, number> = { completed: 0, failed: 0, cancelled: 0, 'timed-out': 0 };
  readonly appends: Record<AppendOutcome['status'], number> = {
    appended: 0,
    conflict: 0,
    refused: 0,
    unknown: 0,
  };
  readonly appendSeconds = new Histogram(APPEND_SECONDS);
  /** Attempts in flight that were found to be of another boot. */
  unknown = 0;

  /** Starts whose key was known, by what they were told. */
  readonly duplicates = { replayed: 0, refused: 0 };
  /** How many appends wait for a log that does not answer. */
  appendsHeld: () => number = () => 0;
  /** Runs that a bug has stopped. */
  runsParked: () => number = () => 0;

  private recentAppendMs = 0;

  /**
   * How long news of runs may gather before they are heard of: not at all, or, when appends take long, as long as one of them,
   * 80 ms at most. A run meets it twice, when it starts and when it ends, beside four appends.
   */
  get gatherMs(): number {
    return this.recentAppendMs < SLOW_APPEND_MS ? 0 : Math.min(this.recentAppendMs, GATHER_MS_MAX);
  }

  appended(outcome: AppendOutcome['status'], tookMs: number): void {
    this.appends[outcome] += 1;
    const change = tookMs - this.recentAppendMs;
    this.recentAppendMs += change * (change > 0 ? SLOWER_SHARE : QUICKER_SHARE);
    this.appendSeconds.observe(tookMs / 1_000);
  }

  /** An ended run may still be appended to, and opened again; what counts is each event that ended it. */
  committed(events: readonly NewEvent[], fresh: boolean): void {
    if (fresh) this.started += 1;
    for (const { type } of events) {
      const status = endStatusOf(type);
      if (status !== null) this.ended[status] += 1;
    }
  }
}

export const engineMetrics = (counts: EngineCounts): MetricSources => ({
  stepwell_runs_started_total: () => counts.started,
  stepwell_runs_ended_total: () => END_STATUSES.map((status) => ({ labels: { status }, value: counts.ended[status] })),
  stepwell_duplicate_starts_total: () =>
    (['replayed', 'refused'] as const).map((answer) => ({ labels: { answer }, value: counts.duplicates[answer] })),
  stepwell_attempts_unknown_total: () => counts.unknown,
  stepwell_append_seconds: () => counts.appendSeconds,
  stepwell_appends_total: () => OUTCOMES.map((outcome) => ({ labels: { outcome }, value: counts.appends[outcome] })),
  stepwell_appends_held: () => counts.appendsHeld(),
  stepwell_runs_parked: () => counts.runsParked(),
  stepwell_append_conflicts_total: () => counts.appends.conflict,
});
