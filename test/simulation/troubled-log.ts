import { MemoryEventStore, type Append, type AppendOutcome } from '#event-store';
import type { Clock } from '#runtime';
import type { Chance } from '../support/chance.js';

const UNKNOWN: AppendOutcome = { status: 'unknown', cause: new Error('the simulated log gave no answer') };

const TROUBLES = ['late', 'answer late', 'answer lost', 'applied later', 'not applied'] as const;

/** A log that all processes share, and that is as bad as one may be: late, without an answer, or applying what it was asked for later. */
export class TroubledLog extends MemoryEventStore {
  /** While true an append may meet trouble. */
  troubled = true;

  constructor(
    private readonly clock: Clock,
    private readonly chance: Chance,
  ) {
    super();
  }

  override append(append: Append, settle: (outcome: AppendOutcome) => void): void {
    const apply = (then: (outcome: AppendOutcome) => void): void => super.append(append, then);
    if (!this.troubled || !this.chance.yes(0.15)) return apply(settle);
    const laterMs = this.chance.between(1, 3_000);
    const later = (call: () => void): void => void this.clock.after(laterMs, call);
    const trouble = this.chance.oneOf(TROUBLES);
    switch (trouble) {
      case 'late':
        return later(() => apply(settle));
      case 'answer late':
        return apply((outcome) => later(() => settle(outcome)));
      case 'answer lost':
        return apply(() => settle(UNKNOWN));
      case 'applied later':
        queueMicrotask(() => settle(UNKNOWN));
        return later(() => apply(() => undefined));
      case 'not applied':
        return queueMicrotask(() => settle(UNKNOWN));
    }
  }
}
