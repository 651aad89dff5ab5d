import type { RunCommand, StepKey } from '#domain';
import { NOBODY, type Committed, type Owner, type RunEngine } from '#engine';
import { json } from '../../libs/domain/src/testing/tree-plans.js';

const ANSWER = json({ ok: true });

const succeed = (step: StepKey, attempt: number): RunCommand => ({
  type: 'CompleteAttempt',
  step,
  attempt,
  status: 200,
  output: ANSWER,
});

/** Has so many slots, and answers what was started in the next turn of the loop; what gets `null` gets no answer. */
export class AnsweringOwner implements Owner {
  readonly origin = { actor: 'bench', traceparent: null };
  private ended: (() => void) | null = null;
  engine: RunEngine | null = null;

  constructor(
    private free: number,
    private readonly answerOf: (step: StepKey, attempt: number) => RunCommand | null = succeed,
  ) {}

  /** Resolves at the end of the next run that ends. */
  end(): Promise<void> {
    return new Promise((resolve) => (this.ended = resolve));
  }
  grant() {
    if (this.free === 0) return null;
    this.free -= 1;
    return { dispatcher: 'bench', boot: 'b' };
  }
  committed({ runId, run, attempts }: Committed): void {
    if (run.status !== 'running') this.ended?.();
    for (const { step: key, attempt } of attempts) {
      const command = this.answerOf(key, attempt);
      if (command === null) continue;
      setImmediate(() => {
        this.free += 1;
        this.engine?.submit(runId, command, NOBODY, null);
      });
    }
  }
  refund(): void {
    this.free += 1;
  }
  holds() {
    return true;
  }
  bootOf() {
    return 'b';
  }
  inherits() {
    return true;
  }
  holdUpOf() {
    return null;
  }
  isUnsent() {
    return false;
  }
  stalled(): void {}
  withhold(): void {}
  observed(): void {}
}
