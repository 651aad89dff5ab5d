import type { Append, AppendOutcome, EventStore } from '#event-store';
import type { Clock } from '#runtime';

const REPEATS_MAX = 50;
const REPEAT_AFTER_MS = 100;

/** The catalogue could not be written: the store answers nothing, or others write without pause. */
export class CatalogueUnavailable extends Error {
  readonly code = 'catalogue-unavailable';
  readonly retryable = true;
}

/** Appends until the outcome is known; throws what it is refused for. A repeat is byte for byte the same, so that none is in the log twice. */
export const appendSurely = async (
  store: EventStore,
  clock: Clock,
  append: Append,
): Promise<Exclude<AppendOutcome, { status: 'unknown' | 'refused' }>> => {
  for (let repeats = 0; ; repeats++) {
    const outcome = await new Promise<AppendOutcome>((settle) => store.append(append, settle));
    if (outcome.status === 'refused') throw outcome.fault;
    if (outcome.status !== 'unknown') return outcome;
    if (repeats === REPEATS_MAX) {
      throw new CatalogueUnavailable(`the outcome of an append to ${append.stream} stays unknown`, {
        cause: outcome.cause,
      });
    }
    await new Promise<void>((resolve) => clock.after(REPEAT_AFTER_MS, resolve));
  }
};
