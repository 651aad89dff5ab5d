import { arrayText, NULL_TEXT, payloadAt, type JsonText, type PayloadRef, type RunEvent } from '#domain';
import { decodeRunEvent, type EventStore } from '#event-store';
import { readEvents, type RunPlace } from './run-reads.js';

/** The whole of a payload, or of what the pointer leads to inside of it, as its text, out of the log; `null` when the run has none there. */
export const readPayload = async (
  store: EventStore,
  run: RunPlace,
  { revision, pointer }: PayloadRef,
): Promise<JsonText | null> => {
  const [stored] = await readEvents(store, run, revision, 1);
  if (stored === undefined || stored.revision !== revision) return null;
  const event = decodeRunEvent(stored.type, stored.v, stored.data);
  if (event.type === 'StepCompleted' && 'all' in event.output && pointer.startsWith('/outputRefs'))
    return readReferred(store, run, event.output.all, pointer);
  const payloads = payloadsIn(event).map(([member, text]) => ({ revision, pointer: `/${member}`, text }));
  return payloadAt(payloads, { revision, pointer })?.text ?? null;
};

/** What a join brought: all that its references lead to, or one of it, or a part of that. */
const readReferred = async (
  store: EventStore,
  run: RunPlace,
  refs: readonly (PayloadRef | null)[],
  pointer: string,
): Promise<JsonText | null> => {
  if (pointer === '/outputRefs') {
    const parts: JsonText[] = [];
    // One after the other: a join may be of a thousand, and each of them of the size of a payload.
    for (const ref of refs) parts.push(ref === null ? NULL_TEXT : ((await readPayload(store, run, ref)) ?? NULL_TEXT));
    return arrayText(parts);
  }
  const [, place, inner = ''] = /^\/outputRefs\/(0|[1-9]\d*)(\/.*)?$/s.exec(pointer) ?? [];
  const ref = place === undefined ? undefined : refs[Number(place)];
  if (ref === null && inner === '') return NULL_TEXT;
  return ref ? readPayload(store, run, { ...ref, pointer: ref.pointer + inner }) : null;
};

const payloadsIn = (event: RunEvent): readonly (readonly [member: string, text: JsonText])[] => {
  switch (event.type) {
    case 'RunStarted':
      return [
        ['input', event.input],
        ['variables', event.variables],
      ];
    case 'StepEntered':
      return 'value' in event.input ? [['input', event.input.value]] : [];
    case 'RunCompleted':
      return event.mapped === null ? [] : [['mapped', event.mapped]];
    case 'ValuesComputed':
      return event.items !== null && 'value' in event.items ? [['items', event.items.value]] : [];
    case 'StepCompleted':
      return [
        ...('value' in event.output ? [['output', event.output.value] as const] : []),
        ...(event.mapped === null ? [] : [['mapped', event.mapped] as const]),
      ];
    case 'AttemptSucceeded':
      return [['output', event.output]];
    default:
      return [];
  }
};
