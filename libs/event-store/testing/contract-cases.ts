import { randomUUID } from 'node:crypto';
import type {
  Append,
  AppendOutcome,
  Commit,
  Envelope,
  EventStore,
  Filter,
  NewEvent,
  Position,
  RecordedEvent,
  Revision,
  StreamName,
  SubscriptionMessage,
} from '../src/event-store.js';
import { unpack } from '../src/packed.js';

// What the cases of the contract are written in.

/** What the names of all streams of the test begin with: a log may hold those of other tests, and others may write to it. */
let scope = '';

/** Begins a test: its streams have names that no other test has. */
export const newScope = (): void => {
  scope = `contract-${randomUUID()}-`;
};

/** A name, as a stream of the test, or as what several begin with. */
export const stream = (name: string): StreamName => `${scope}${name}` as StreamName;
/** The commits of the test among those of everybody. */
export const ours = (commits: readonly Commit[]): readonly Commit[] =>
  commits.filter((commit) => commit.stream.startsWith(scope));
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

/** The same, for an append that races its own repeat: some servers then know the outcome of neither for a while. */
export const known = async (store: EventStore, append: Append): Promise<AppendOutcome> => {
  for (;;) {
    const outcome = await settled(store, append);
    if (outcome.status !== 'unknown') return outcome;
  }
};

/** The texts of the test in commits, in order. */
export const textsOf = (commits: readonly Commit[]): readonly string[] => ours(commits).flatMap(unpack).map(textOf);

/** The text of an event that `noted` made. */
export const textOf = ({ data }: RecordedEvent): string => (JSON.parse(data) as { text: string }).text;

/** The texts in a stream, in order. */
export const textsIn = async (store: EventStore, name: string, options?: { from?: Revision; limit?: number }) =>
  (await store.readStream(stream(name), options)).map(textOf);

/** Collects what a subscription gives until it has ended. */
export const follow = (store: EventStore, after: Position, filter: Filter = {}, gatherMs = (): number => 0) => {
  const abort = new AbortController();
  const messages: SubscriptionMessage[] = [];
  let changed = (): void => {};
  const ended = (async () => {
    for await (const message of store.subscribe(after, { filter, gatherMs, signal: abort.signal })) {
      messages.push(message);
      changed();
    }
  })();
  const textsTo = (end: number) =>
    messages.slice(0, end).flatMap((message) => (message.type === 'commits' ? textsOf(message.commits) : []));
  const texts = () => textsTo(messages.length);
  const until = async (enough: () => boolean): Promise<void> => {
    while (!enough()) await new Promise<void>((resolve) => (changed = resolve));
  };
  return {
    messages,
    until,
    texts,
    caughtUp: () => messages.filter((message) => message.type === 'caught-up'),
    textsBeforeCaughtUp: () => textsTo(messages.findIndex((message) => message.type === 'caught-up')),
    untilTexts: (count: number) => until(() => texts().length >= count),
    untilCaughtUp: () => until(() => messages.some((message) => message.type === 'caught-up')),
    end: () => {
      abort.abort();
      return ended;
    },
  };
};

/** What a case of the contract has to do with. */
export type Case = {
  readonly store: () => EventStore;
  /** Appends one after the other, each of which must succeed. */
  readonly given: (...appends: readonly Append[]) => Promise<void>;
  /** Where the log ended before the test. */
  readonly origin: () => Position;
  /** Whether the log holds nothing but what the test has appended. */
  readonly alone: () => boolean;
  /** Whether subscriptions leave out what is for another audience. */
  readonly sparesAudiences: () => boolean;
  /** How many appends reads of one stream have looked at so far; `null` where that cannot be counted. */
  readonly appendsRead: () => number | null;
};
