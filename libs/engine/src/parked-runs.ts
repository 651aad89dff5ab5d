import type { Clock, Log } from '#runtime';
import type { ParkedRun, RunId } from './runs.js';

/** So many parked runs are remembered: of one more the one parked longest is tried again. */
const PARKED_MAX = 10_000;
const SAID =
  'a run is parked: nothing is done for it until this process starts again or another takes its shard over; report this line';

/** A bug has stopped the run: nothing is decided for it here. What the log has of it can be read. */
export class RunParked extends Error implements ParkedRun {
  readonly code = 'run-parked';
  readonly reason: string;

  constructor(
    runId: RunId,
    readonly since: string,
    cause: unknown,
  ) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    super(`run ${runId} is parked: ${reason}`, { cause });
    this.reason = reason;
  }
}

/** The runs that bugs have stopped in this process, each said once. */
export class ParkedRuns {
  private readonly runs = new Map<RunId, RunParked>();

  constructor(
    private readonly clock: Clock,
    private readonly log: Log,
  ) {}

  get size(): number {
    return this.runs.size;
  }

  /** `null`: it is not parked. */
  get(runId: RunId): RunParked | null {
    return this.runs.size === 0 ? null : (this.runs.get(runId) ?? null);
  }

  /** What it is parked for: of one that is parked already, as one whose stream is broken at each read, what it was before. */
  park(runId: RunId, cause: unknown): RunParked {
    const known = this.runs.get(runId);
    if (known !== undefined) return known;
    this.log.error(SAID, { runId, err: cause });
    const [oldest] = this.runs.keys();
    if (this.runs.size >= PARKED_MAX && oldest !== undefined) this.runs.delete(oldest);
    const parked = new RunParked(runId, this.clock.now(), cause);
    this.runs.set(runId, parked);
    return parked;
  }

  /** They are another's, who tries each again; and so does this process when it gets them back. */
  forget(isLost: (runId: RunId) => boolean): void {
    for (const runId of this.runs.keys()) if (isLost(runId)) this.runs.delete(runId);
  }
}
