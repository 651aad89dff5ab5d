import type { Append, AppendOutcome, EventStore } from '#event-store';
import type { Clock } from '#runtime';

/** Whoever writes to the catalogue waits so long for a log that does not answer. */
const REPEAT_FOR_MS = 5_000;
const PAUSE_MIN_MS = 100;
const PAUSE_MAX_MS = 1_000;

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
  const untilMs = clock.monotonicMs() + REPEAT_FOR_MS;
  for (let pauseMs = PAUSE_MIN_MS; ; pauseMs = Math.min(pauseMs * 2, PAUSE_MAX_MS)) {
    const outcome = await new Promise<AppendOutcome>((settle) => store.append(append, settle));
    if (outcome.status === 'refused') throw outcome.fault;
    if (outcome.status !== 'unknown') return outcome;
    if (clock.monotonicMs() + pauseMs > untilMs) {
      throw new CatalogueUnavailable(`the outcome of an append to ${append.stream} stays unknown`, {
        cause: outcome.cause,
      });
    }
    await new Promise<void>((resolve) => clock.after(pauseMs, resolve));
  }
};
