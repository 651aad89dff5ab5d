import type { Clock } from '#runtime';
import type { Mailbox } from './mailbox.js';

/** An answer waits between once and twice so long. The answers to requests that left together come within it. */
const WAIT_MS = 5;
/** So many of one run are company enough; all of them are looked at again with each that comes. */
const WAITING_MAX = 64;

/**
 * Answers upon which nothing follows wait for company: of two branches that end together both are one append, and what the
 * first of them costs otherwise (a commit, its sync, its events' way to every reader) is saved. Nobody waits for such an
 * answer; a process that dies meanwhile makes it one of unknown outcome, as one that dies before any commit.
 */
export class Company {
  private young: Mailbox[] = [];
  private old: Mailbox[] = [];
  private timer: (() => void) | null = null;
  private stopped = false;

  constructor(
    private readonly clock: Clock,
    private readonly drain: (mailbox: Mailbox) => void,
  ) {}

  /** True when what the run has to decide waits; it is drained in time. */
  keeps(mailbox: Mailbox): boolean {
    const waits = !this.stopped && mailbox.company !== 'over' && onlyEndsBranches(mailbox);
    if (waits && mailbox.company === 'none') {
      mailbox.company = 'awaited';
      this.young.push(mailbox);
      this.timer ??= this.clock.after(WAIT_MS, () => this.tick());
    }
    if (!waits) mailbox.company = 'none';
    return waits;
  }

  /** Nothing waits any more. */
  stop(): void {
    this.stopped = true;
    this.timer?.();
    this.release([...this.old, ...this.young]);
  }

  private tick(): void {
    const due = this.old;
    this.old = this.young;
    this.young = [];
    this.timer = this.old.length === 0 ? null : this.clock.after(WAIT_MS, () => this.tick());
    this.release(due);
  }

  private release(due: readonly Mailbox[]): void {
    for (const mailbox of due) {
      if (mailbox.company !== 'awaited') continue;
      mailbox.company = 'over';
      this.drain(mailbox);
    }
  }
}

/** Each waiting command ends a branch and leads to nothing else: other branches are open, other attempts in flight. */
const onlyEndsBranches = ({ state, plan, queue, more }: Mailbox): boolean => {
  if (state === null || plan === null || more || queue.length === 0 || queue.length > WAITING_MAX) return false;
  const { inFlight, moves } = state.obligations;
  if (moves.size > 0 || inFlight.size <= queue.length) return false;
  return queue.every(({ command }) => {
    if (command.type !== 'CompleteAttempt') return false;
    const step = state.steps.get(command.step);
    if (step === undefined || step.branch === null || plan.nodes[step.node]?.next !== null) return false;
    return step.parent !== null && state.steps.get(step.parent)!.openBranches > queue.length;
  });
};
