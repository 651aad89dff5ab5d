import type { Clock } from '#runtime';
import type { Mailbox } from './mailbox.js';

/** An answer waits between once and twice so long. The answers to requests that left together come within it. */
const TICK_MS = 5;
/** So many answers of one run are enough for an append; all of them are looked at again with each that comes. */
const WAITING_MAX = 64;

/**
 * Lets answers upon which nothing follows wait for others of their run, so that they become one append: of two branches that end
 * together the first alone would cost a commit, its sync, and its events' way to every reader. Nobody waits for such an answer; a
 * process that dies meanwhile makes it one of unknown outcome, as one that dies before any commit.
 */
export class Coalescer {
  private ticks = 0;
  private young: Mailbox[] = [];
  private old: Mailbox[] = [];
  private timer: (() => void) | null = null;
  private stopped = false;

  constructor(private readonly clock: Clock) {}

  /** True when what the run has to decide waits; `coalesced` is called in time. */
  keeps(mailbox: Mailbox): boolean {
    if (this.stopped || !onlyEndsBranches(mailbox)) {
      mailbox.coalesceUntil = 0;
      return false;
    }
    if (mailbox.coalesceUntil !== 0) {
      const isOver = mailbox.coalesceUntil <= this.ticks;
      if (isOver) mailbox.coalesceUntil = 0;
      return !isOver;
    }
    mailbox.coalesceUntil = this.ticks + 2;
    this.young.push(mailbox);
    this.timer ??= this.clock.after(TICK_MS, () => this.tick());
    return true;
  }

  /** Nothing waits any more. */
  stop(): void {
    this.stopped = true;
    this.timer?.();
    this.release([...this.old, ...this.young]);
  }

  private tick(): void {
    this.ticks += 1;
    const due = this.old;
    this.old = this.young;
    this.young = [];
    this.timer = this.old.length === 0 ? null : this.clock.after(TICK_MS, () => this.tick());
    this.release(due);
  }

  private release(due: readonly Mailbox[]): void {
    for (const mailbox of due) mailbox.coalesced();
  }
}

/** Each waiting command ends a branch and leads to nothing else: other branches are open, other attempts in flight. */
const onlyEndsBranches = ({ state, plan, queue, isMoreOwed }: Mailbox): boolean => {
  if (state === null || plan === null || isMoreOwed || queue.length === 0 || queue.length > WAITING_MAX) return false;
  const { inFlight, moves } = state.obligations;
  if (moves.size > 0 || inFlight.size <= queue.length) return false;
  return queue.every(({ command }) => {
    if (command.type !== 'CompleteAttempt') return false;
    const step = state.steps.get(command.step);
    if (step === undefined || step.slot === null || plan.nodes[step.node]?.next !== null) return false;
    const slots = step.parent === null ? null : state.steps.get(step.parent)!.slots;
    // A slot that ends lets the next one open, while there is one.
    return slots !== null && slots.opened === slots.outputs.length && slots.left > queue.length;
  });
};
