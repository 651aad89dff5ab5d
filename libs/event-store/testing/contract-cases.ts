import type {
  Append,
  AppendOutcome,
  Commit,
  Envelope,
  EventStore,
  Filter,
  NewEvent,
  Position,
  Revision,
  StreamName,
  SubscriptionMessage,
} from '../src/event-store.js';
import { unpack } from '../src/packed.js';

// What the cases of the contract are written in.

/** A name, as a stream. */
export const stream = (name: string): StreamName => name as StreamName;
/** A number, as a revision. */
export const revision = (value: number): Revision => value as Revision;

let commands = 0;
/** The envelope of a new command. */
export const envelope = (): Envelope => ({
  commandId: `command-${++commands}`,
  recordedAt: '2026-01-02T03:04:05.678Z',
  actor: 'api',
  traceparent: null,
});
/** An event that holds a text. */
export const noted = (text: string): NewEvent => ({ type: 'Noted', v: 1, data: JSON.stringify({ text }) });

/** A new append of texts. */
export const appendOf = (name: string, expected: number, ...texts: readonly string[]): Append => ({
  stream: stream(name),
  expected: revision(expected),
  events: texts.map(noted),
  envelope: envelope(),
});

/** What became of an append. */
export const settled = (store: EventStore, append: Append): Promise<AppendOutcome> =>
  new Promise((resolve) => store.append(append, resolve));

/** The texts in commits, in order. */
export const textsOf = (commits: readonly Commit[]): readonly string[] =>
  commits.flatMap(unpack).map((event) => (event.data as { text: string }).text);

/** The texts in a stream, in order. */
export const textsIn = async (store: EventStore, name: string, options?: { from?: Revision; limit?: number }) =>
  (await store.readStream(stream(name), options)).map((event) => (event.data as { text: string }).text);

/** Collects what a subscription gives until it has ended. */
export const follow = (store: EventStore, after: Position, filter: Filter = {}) => {
  const abort = new AbortController();
  const messages: SubscriptionMessage[] = [];
  let changed = (): void => {};
  const ended = (async () => {
    for await (const message of store.subscribe(after, { filter, signal: abort.signal })) {
      messages.push(message);
      changed();
    }
  })();
  const texts = () => messages.flatMap((message) => (message.type === 'commits' ? textsOf(message.commits) : []));
  const until = async (enough: () => boolean): Promise<void> => {
    while (!enough()) await new Promise<void>((resolve) => (changed = resolve));
  };
  return {
    messages,
    texts,
    caughtUp: () => messages.filter((message) => message.type === 'caught-up'),
    untilTexts: (count: number) => until(() => texts().length >= count),
    untilCaughtUp: () => until(() => messages.some((message) => message.type === 'caught-up')),
    end: () => {
      abort.abort();
      return ended;
    },
  };
};

/** Appends one after the other, each of which must succeed. */
export type Given = (...appends: readonly Append[]) => Promise<void>;
