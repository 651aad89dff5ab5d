import { arrayText, NULL_TEXT, type JsonText, type RunEvent } from '#domain';
import type { LoadedRun } from '#engine';
import { decodeRunEvent, type EventStore } from '#event-store';
import { readEvents } from './run-reads.js';

/** Where a payload is: the event that brought it, and the place in that event's data. */
type PayloadPlace = { readonly revision: number; readonly pointer: string };

/** The whole of a payload as its text, out of the log; `null` when the run has none there. */
export const readPayload = async (
  store: EventStore,
  loaded: LoadedRun,
  { revision, pointer }: PayloadPlace,
): Promise<JsonText | null> => {
  const [stored] = await readEvents(store, loaded, revision, 1);
  if (stored === undefined || stored.revision !== revision) return null;
  const event = decodeRunEvent(stored.type, stored.v, stored.data);
  if (event.type !== 'StepCompleted' || !('all' in event.output)) return payloadIn(event, pointer);
  if (pointer !== '/output') return null;
  const parts: JsonText[] = [];
  // One after the other: a join may be of a thousand, and each of them of the size of a payload.
  for (const part of event.output.all)
    parts.push(part === null ? NULL_TEXT : ((await readPayload(store, loaded, part)) ?? NULL_TEXT));
  return arrayText(parts);
};

const payloadIn = (event: RunEvent, pointer: string): JsonText | null => {
  switch (event.type) {
    case 'RunStarted':
      return pointer === '/input' ? event.input : pointer === '/variables' ? event.variables : null;
    case 'StepEntered':
      return pointer === '/input' && 'constant' in event.input ? event.input.constant : null;
    case 'StepCompleted':
      return pointer === '/output' && 'value' in event.output ? event.output.value : null;
    case 'AttemptSucceeded':
      return pointer === '/output' ? event.output : null;
    default:
      return null;
  }
};
