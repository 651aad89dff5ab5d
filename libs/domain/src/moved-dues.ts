import type { Context } from './commands.js';
import type { DuesMoved } from './events.js';
import { toInstant, toMs } from './instant.js';
import type { Run } from './run.js';

/** Clocks of several machines differ; what lies further ahead than by so much was planned by a clock that was wrong. */
const SLACK_MS = 1_000;
/** Of each kind, in one event; what is left follows. */
const MOVED_MAX = 1_000;

/**
 * What must be due earlier than it says, since the wall clock was set back after it was planned: it lies further ahead than its
 * whole wait is long. It moves with the clock by `setBackMs`, where that is known; else it waits its whole wait from now.
 * What another machine has planned by a clock that was right stays. `null`: nothing moves.
 */
export const movedDues = (run: Run, { plan, atMs }: Context, setBackMs: number): DuesMoved | null => {
  const moved = (dueMs: number, waitMs: number): string | null => {
    if (dueMs - atMs <= waitMs + SLACK_MS) return null;
    const withClockMs = dueMs - setBackMs;
    return toInstant(Math.max(atMs, withClockMs - atMs > waitMs ? atMs + waitMs : withClockMs));
  };
  const retries: { step: string; retryAt: string }[] = [];
  for (const [key, dueAt] of run.obligations.retries) {
    const last = run.steps.get(key)?.attempts.at(-1);
    if (last === undefined || last.endedAt === null || last.retryAt === null) continue;
    const retryAt = moved(toMs(dueAt), toMs(last.retryAt) - toMs(last.endedAt));
    if (retryAt !== null && retries.length < MOVED_MAX) retries.push({ step: key, retryAt });
  }
  const deadlines: { step: string; deadlineAt: string }[] = [];
  for (const [key, dueAt] of run.obligations.deadlines) {
    const node = plan.nodes[run.steps.get(key)?.node ?? -1];
    if (node?.type !== 'step' || node.timeouts.stepMs === null) continue;
    const deadlineAt = moved(toMs(dueAt), node.timeouts.stepMs);
    if (deadlineAt !== null && deadlines.length < MOVED_MAX) deadlines.push({ step: key, deadlineAt });
  }
  const limit = run.started.timeoutAt;
  const timeoutAt =
    run.timeoutAt === null || limit === null ? null : moved(toMs(run.timeoutAt), toMs(limit) - toMs(run.startedAt));
  if (retries.length + deadlines.length === 0 && timeoutAt === null) return null;
  return { type: 'DuesMoved', retries, deadlines, timeoutAt };
};
