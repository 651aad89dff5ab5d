import {
  NO_STREAM,
  runStream,
  type AppendOutcome,
  type EventStore,
  type NewEvent,
  type Position,
  type Revision,
} from '#event-store';
import { sha256Base32, systemClock, systemEntropy } from '#runtime';

/** An id that is fresh for each name. */
export const runIdFor = (name: string): string => sha256Base32(name, 128);

export const anEvent = (type: string, data: unknown): NewEvent => ({ type, v: 1, data: JSON.stringify(data) });

/** Appends to streams of runs one commit after the other, and remembers where each stands. */
export class RunLog {
  readonly #store: EventStore;
  readonly #revisions = new Map<string, Revision>();
  #head: Position | null = null;

  constructor(store: EventStore) {
    this.#store = store;
  }

  /** Events appended so far, of each run. */
  get counts(): ReadonlyMap<string, number> {
    return new Map([...this.#revisions].map(([runId, revision]) => [runId, revision + 1]));
  }

  get events(): number {
    return [...this.counts.values()].reduce((sum, count) => sum + count, 0);
  }

  get head(): Position {
    return this.#head!;
  }

  async append(runId: string, events: readonly NewEvent[], traceparent: string | null = null): Promise<Position> {
    const outcome = await new Promise<AppendOutcome>((settle) =>
      this.#store.append(
        {
          stream: runStream(runId),
          expected: this.#revisions.get(runId) ?? NO_STREAM,
          events,
          envelope: { commandId: systemEntropy.hex(16), recordedAt: systemClock.now(), actor: null, traceparent },
        },
        settle,
      ),
    );
    if (outcome.status !== 'appended') throw new Error(`the append came to ${outcome.status}`);
    this.#revisions.set(runId, outcome.revision);
    this.#head = outcome.position;
    return outcome.position;
  }
}
