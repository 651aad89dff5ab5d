/** What the test keeps of a message: of whom it tells, where in the run's history, and where it was. */
export type ToldEvent = {
  readonly runId: string;
  readonly revision: number;
  readonly id: string;
  readonly type: string;
  readonly partition: number;
};

/**
 * What a reader of the relay's topic has seen, by run and in the order of its partitions. Kept small: a test of minutes
 * publishes a hundred thousand events.
 */
export class TopicTally {
  /** In the order in which they came, repeats too. */
  readonly byRun = new Map<string, ToldEvent[]>();
  /** Messages that the reader has never seen: the broker had dropped them before it came. Not the relay's fault, but nothing is proven then. */
  readonly gaps: string[] = [];
  /** Messages that are none of ours. */
  readonly strange: string[] = [];
  received = 0;
  readonly #nextPlace = new Map<number, bigint>();

  /** One message at its place in its partition. A reader that joins anew begins earlier: what was seen before is passed over. */
  see(partition: number, place: bigint, told: Omit<ToldEvent, 'partition'> | null): void {
    const next = this.#nextPlace.get(partition) ?? 0n;
    if (place < next) return;
    if (place > next) this.gaps.push(`partition ${partition}: ${next} to ${place - 1n} were never read`);
    this.#nextPlace.set(partition, place + 1n);
    this.received++;
    if (told === null) {
      this.strange.push(`partition ${partition}, place ${place}`);
      return;
    }
    const seen = this.byRun.get(told.runId);
    if (seen === undefined) this.byRun.set(told.runId, [{ ...told, partition }]);
    else seen.push({ ...told, partition });
  }

  /** Messages of events that had come before. */
  get repeats(): number {
    let repeats = 0;
    for (const events of this.byRun.values()) repeats += events.length - new Set(events.map(({ id }) => id)).size;
    return repeats;
  }

  /** Whether all these events of a run have come. */
  holds(runId: string, events: readonly { readonly id: string }[]): boolean {
    const ids = new Set(this.byRun.get(runId)?.map(({ id }) => id));
    return events.every(({ id }) => ids.has(id));
  }
}
