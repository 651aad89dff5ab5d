import type { Context, SetBack } from './commands.js';
import type { DuesMoved } from './events.js';
import { dueMs } from './dues.js';
import { toInstant, toMs } from './instant.js';
import { policyOf } from './policy.js';
import type { Run } from './run.js';

/** Clocks of several machines differ; what lies further ahead than by so much was planned by a clock that was wrong. */
const SLACK_MS = 1_000;
/** Steps of one event; what is left follows. */
const STEPS_MAX = 1_000;

/** What is waited for: until when, for how long in all, and when that was planned. */
type Due = {
  readonly key: string;
  readonly dueMs: number;
  readonly waitMs: number;
  readonly plannedMs: number;
  /** Of a retry, whose attempt has failed: the boot that planned it. */
  readonly boot: string | null;
};

/**
 * What must be due earlier than it says, since the wall clock was set back after it was planned. With `setBack`, all that was
 * planned by this clock before moves with it, once. Without, as after a restart, only what lies further ahead than its whole
 * wait is long is known to be planned so, and waits its whole wait from now. `null`: nothing moves.
 */
export const movedDues = (run: Run, { plan, atMs }: Context, setBack: SetBack | null): DuesMoved | null => {
  const { dues } = run.obligations;
  const retries: { step: string; retryAt: string }[] = [];
  const deadlines: { step: string; deadlineAt: string }[] = [];
  const waits: { step: string; wakeAt: string }[] = [];
  let moved = 0;
  // All dues of a step at once, since one instant says when they were moved.
  const move = (key: string): void => {
    const step = run.steps.get(key);
    if (step === undefined || moved >= STEPS_MAX) return;
    const retryMs = dueMs(dues, 'retry', key);
    const limitMs = dueMs(dues, 'step', key);
    const last = step.attempts.at(-1);
    let retryAt: string | null = null;
    let deadlineAt: string | null = null;
    if (retryMs !== undefined && last !== undefined && last.endedAt !== null && last.retryAt !== null) {
      const plannedMs = toMs(last.endedAt);
      const waitMs = toMs(last.retryAt) - plannedMs;
      retryAt = movedDue(run, atMs, setBack, { key, dueMs: retryMs, plannedMs, waitMs, boot: last.boot });
    }
    const stepMs = limitMs === undefined ? null : policyOf(plan, step).timeouts.stepMs;
    if (limitMs !== undefined && stepMs !== null) {
      const plannedMs = toMs(step.enteredAt);
      deadlineAt = movedDue(run, atMs, setBack, { key, dueMs: limitMs, plannedMs, waitMs: stepMs, boot: null });
    }
    const wait = dueMs(dues, 'wait', key) === undefined ? null : step.wait;
    let wakeAt: string | null = null;
    // What waits for an instant by name waits for that, whatever the clock says now.
    if (wait !== null && wait.ms !== null) {
      const wakeMs = toMs(wait.wakeAt);
      const due = { key, dueMs: wakeMs, plannedMs: wakeMs - wait.ms, waitMs: wait.ms, boot: null };
      wakeAt = movedDue(run, atMs, setBack, due);
    }
    if (wakeAt !== null) waits.push({ step: key, wakeAt });
    if (retryAt !== null) retries.push({ step: key, retryAt });
    if (deadlineAt !== null) deadlines.push({ step: key, deadlineAt });
    if (retryAt !== null || deadlineAt !== null || wakeAt !== null) moved += 1;
  };
  const waiting = new Set<string>();
  for (const { kind, step, atMs: itsMs } of dues.byKey.values())
    // Without a clock that was set back, what is due by then is not too far ahead, however short its wait.
    if ((kind === 'retry' || kind === 'step' || kind === 'wait') && (setBack !== null || itsMs > atMs + SLACK_MS))
      waiting.add(step);
  for (const key of waiting) move(key);
  const timeoutAt = movedTimeout(run, atMs, setBack);
  return moved === 0 && timeoutAt === null ? null : { type: 'DuesMoved', retries, deadlines, waits, timeoutAt };
};

const movedTimeout = (run: Run, atMs: number, setBack: SetBack | null): string | null => {
  const { timeoutAt, started, startedAt } = run;
  if (timeoutAt === null || started.timeoutAt === null) return null;
  const plannedMs = toMs(startedAt);
  const waitMs = toMs(started.timeoutAt) - plannedMs;
  return movedDue(run, atMs, setBack, { key: '', dueMs: toMs(timeoutAt), plannedMs, waitMs, boot: null });
};

const movedDue = (run: Run, atMs: number, setBack: SetBack | null, due: Due): string | null => {
  const { dueMs, waitMs } = due;
  const isTooFar = dueMs - atMs > waitMs + SLACK_MS;
  if (!isTooFar && (setBack === null || dueMs <= atMs || !isBefore(run, atMs, setBack, due))) return null;
  return toInstant(Math.max(atMs, Math.min(dueMs - (setBack?.ms ?? 0), atMs + waitMs)));
};

/** Whether it was planned by this clock before it was set back, and has not moved since. */
const isBefore = (run: Run, atMs: number, setBack: SetBack, { key, plannedMs, boot }: Due): boolean => {
  const { sinceMs, isQuiet } = setBack;
  const isSince = (ms: number): boolean => ms >= sinceMs && ms <= atMs;
  if (setBack.boot !== null && setBack.boot !== boot) return false;
  const movedAt = run.duesMovedAt?.get(key);
  if (movedAt !== undefined && isSince(toMs(movedAt))) return false;
  return isQuiet || !isSince(plannedMs);
};
