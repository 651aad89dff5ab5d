import { RUN_EVENT_TYPES } from '#event-store';
import { nearestNames } from '#runtime';

/** Which events are published: all of them, or those of the types that are named. */
export type ChosenEvents = 'all' | readonly string[];

/** A type was named that no event has: nothing would ever be published of it. */
export class UnknownEventType extends Error {
  readonly code = 'unknown-event-type';
  readonly retryable = false;

  constructor(type: string) {
    const [nearest] = nearestNames(type, RUN_EVENT_TYPES, { limit: 1, differing: 1 });
    super(`no event of a run has the type ${JSON.stringify(type)}; the nearest is ${nearest}`);
  }
}

/** Tells of a type whether it was chosen. With `all`, types of later versions too. */
export const chosenTypes = (events: ChosenEvents): ((type: string) => boolean) => {
  if (events === 'all') return () => true;
  const unknown = events.find((type) => !RUN_EVENT_TYPES.includes(type));
  if (unknown !== undefined) throw new UnknownEventType(unknown);
  const chosen = new Set(events);
  return (type) => chosen.has(type);
};
