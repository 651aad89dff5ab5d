import { MemoryEventStore, type Append, type AppendOutcome } from '#event-store';
import type { Clock } from '#runtime';
import type { Ledger } from './ledger.js';
import { chanceOf } from './seeded.js';

const UNKNOWN: AppendOutcome = { status: 'unknown', cause: new Error('the simulated log gave no answer') };

const TROUBLES = ['late', 'answer late', 'answer lost', 'applied later', 'not applied'] as const;

/** A log that all processes share, and that is as bad as one may be: late, without an answer, or applying what it was asked for later. */
export class TroubledLog extends MemoryEventStore {
  /** While true an append may meet trouble. */
  troubled = true;
  /** How often each place of a stream was asked for. */
  private readonly asked = new Map<string, number>();

  constructor(
    private readonly clock: Clock,
    private readonly seed: number,
    private readonly ledger: Ledger,
  ) {
    super();
  }

  override append(append: Append, settle: (outcome: AppendOutcome) => void): void {
    const apply = (then: (outcome: AppendOutcome) => void): void =>
      super.append(append, (outcome) => {
        if (outcome.status === 'appended') this.ledger.note(append);
        then(outcome);
      });
    const place = `${append.stream}@${append.expected}`;
    const time = (this.asked.get(place) ?? 0) + 1;
    this.asked.set(place, time);
    const chance = chanceOf(this.seed, 'append', place, time);
    if (!this.troubled || !chance.yes(0.15)) return apply(settle);
    const laterMs = chance.between(1, 3_000);
    const later = (call: () => void): void => void this.clock.after(laterMs, call);
    const trouble = chance.oneOf(TROUBLES);
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
