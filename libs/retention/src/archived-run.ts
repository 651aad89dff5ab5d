import { endStatusOf, type EndStatus, type RunArchived, type RunStarted } from '#domain';
import {
  decodeRunEvent,
  eventText,
  FOREIGN,
  type EventStore,
  type RecordedEvent,
  type Revision,
  type StreamName,
} from '#event-store';

/** What may follow the end of a run without opening it again. */
const AFTERWARDS: ReadonlySet<string> = new Set(['DuplicateStartsSeen', FOREIGN]);

/** All about a finished run but its events. */
export type FinishedRun = Omit<RunArchived, 'type' | 'file' | 'events'> & {
  readonly stream: StreamName;
  readonly revision: Revision;
};

export type InspectedRun =
  | { readonly status: 'finished'; readonly run: FinishedRun; readonly events: readonly RecordedEvent[] | null }
  /** The stub is there; `stub` is set when the history before it is there as well. */
  | { readonly status: 'archived'; readonly stub: RecordedEvent | null }
  | { readonly status: 'open' }
  | { readonly status: 'not a run'; readonly reason: string };

/** Looks through the whole stream, a page at a time. `events` are all of them when they are one page, else `null`. */
export const inspectRun = async (store: EventStore, stream: StreamName, signal: AbortSignal): Promise<InspectedRun> => {
  let first: RecordedEvent | null = null;
  let end: { readonly status: EndStatus; readonly at: string } | null = null;
  let only: readonly RecordedEvent[] | null = null;
  let last: RecordedEvent | null = null;
  let lastOfOurs: RecordedEvent | null = null;
  for await (const page of pagesOf(store, stream, signal)) {
    only = first === null ? page : null;
    for (const event of page) {
      first ??= event;
      last = event;
      if (event.type !== FOREIGN) lastOfOurs = event;
      const status = endStatusOf(event.type);
      if (status !== null) end = { status, at: event.recordedAt };
      else if (!AFTERWARDS.has(event.type)) end = null;
    }
  }
  if (first === null || last === null) return { status: 'not a run', reason: 'it has no events' };
  if (lastOfOurs?.type === 'RunArchived') return { status: 'archived', stub: first === lastOfOurs ? null : lastOfOurs };
  if (end === null) return { status: 'open' };
  const started = decodeRunEvent(first.type, first.v, first.data);
  if (started.type !== 'RunStarted') return { status: 'not a run', reason: `it begins with ${started.type}` };
  const run = finishedRun(started, { stream, revision: last.revision, end, startedAt: first.recordedAt });
  return { status: 'finished', run, events: only };
};

const finishedRun = (
  { id, key, workflow, version, plan, namespace, fingerprint }: RunStarted,
  place: {
    readonly stream: StreamName;
    readonly revision: Revision;
    readonly startedAt: string;
    readonly end: { readonly status: EndStatus; readonly at: string };
  },
): FinishedRun => ({
  id,
  key,
  workflow,
  version,
  plan,
  namespace,
  fingerprint,
  status: place.end.status,
  startedAt: place.startedAt,
  finishedAt: place.end.at,
  stream: place.stream,
  revision: place.revision,
});

async function* pagesOf(store: EventStore, stream: StreamName, signal: AbortSignal) {
  signal.throwIfAborted();
  for await (const page of store.readPages(stream)) {
    yield page;
    signal.throwIfAborted();
  }
}

/** What one line says of a run, before its events. */
export type RunHeader = {
  readonly id: string;
  readonly key: string;
  readonly workflow: string | null;
  readonly version: number | 'draft' | null;
  readonly namespace: string;
  readonly status: EndStatus;
  readonly createdAt: string;
  readonly finishedAt: string;
  /** Of the last event. */
  readonly revision: number;
  /** How many lines of events follow. */
  readonly events: number;
  readonly stream: string;
  readonly plan: string;
  readonly fingerprint: string;
};

/** The lines of one run: its header, then its events, each as the API shows it. */
export async function* runLines(
  store: EventStore,
  { run, events }: InspectedRun & { status: 'finished' },
  signal: AbortSignal,
): AsyncGenerator<string> {
  const { startedAt, ...known } = run;
  const header: RunHeader = { ...known, createdAt: startedAt, events: run.revision + 1 };
  yield `${JSON.stringify({ run: header })}\n`;
  const pages = events === null ? pagesOf(store, run.stream, signal) : [events];
  for await (const page of pages) {
    for (const event of page) if (event.revision <= run.revision) yield `${eventText(event)}\n`;
  }
}
