import type { JsonText, RunEvent } from '#domain';
import { encodeRunEvent, NO_STREAM, runStream, type EventStore, type NewEvent, type Revision } from '#event-store';
import { runIdOf, start } from './engine-world.js';

const startedEvent = (key: string): RunEvent => {
  const { type: _type, timeoutMs: _timeoutMs, ...members } = start(key);
  return { type: 'RunStarted', ...members, timeoutAt: null };
};

const END: RunEvent = { type: 'RunCompleted', output: { revision: 0, pointer: '/input' }, mapped: null };
const note = (): RunEvent => ({ type: 'DuplicateStartsSeen', count: 1, refused: 0 });
/** Characters that end lines elsewhere than in an archive. */
const answer = (attempt: number): RunEvent => ({
  type: 'AttemptSucceeded',
  step: 's0',
  attempt,
  status: 200,
  output: '"a\u2028b\u0085c"' as JsonText,
});

/** Appends a run as it would stand in the log, `events` of them with the end; `ended: false` leaves the end out. */
export const appendRun = async (
  store: EventStore,
  key: string,
  { at = '2026-01-01T00:00:00.000Z', events = 4, ended = true } = {},
): Promise<void> => {
  const all = [startedEvent(key), ...Array.from({ length: events - 2 }, (_, index) => answer(index + 1)), END];
  const wanted = ended ? all : all.slice(0, -1);
  for (let from = 0; from < wanted.length; from += 200)
    await append(store, key, wanted.slice(from, from + 200).map(encodeRunEvent), from - 1, at);
};

/** What a repeated start leaves, also after the end. */
export const appendDuplicate = (store: EventStore, key: string, expected: number, at: string): Promise<void> =>
  append(store, key, [note()].map(encodeRunEvent), expected, at);

/** An end, be it the first one. */
export const appendEnd = (store: EventStore, key: string, expected: number): Promise<void> =>
  append(store, key, [END].map(encodeRunEvent), expected, '2026-01-01T00:00:00.000Z');

/** What a later version appends to open an ended run again. */
export const appendReopening = (store: EventStore, key: string, expected: number): Promise<void> =>
  append(store, key, [{ type: 'RunRetried', v: 1, data: '{}' }], expected, '2026-01-01T00:00:00.000Z');

/** An event that no version has written. */
export const appendBroken = (store: EventStore, key: string, expected: number): Promise<void> =>
  append(store, key, [{ type: 'StepEntered', v: 1, data: '{' }], expected, '2026-01-01T00:00:00.000Z');

const append = async (
  store: EventStore,
  key: string,
  events: readonly NewEvent[],
  expected: number,
  at: string,
): Promise<void> => {
  const outcome = await new Promise<{ status: string }>((settle) =>
    store.append(
      {
        stream: runStream(runIdOf(key)),
        expected: (expected < 0 ? NO_STREAM : expected) as Revision,
        events,
        envelope: { commandId: `${key} ${expected}`, recordedAt: at, actor: null, traceparent: null },
      },
      settle,
    ),
  );
  if (outcome.status !== 'appended') throw new Error(JSON.stringify(outcome));
};
