import type { Audience, Commit, Position } from '../event-store.js';
import type { ReadResponse, ServerEvent } from './read-response.js';
import { isLastOfAppend, markOf } from './event-metadata.js';
import { commitOf, storedEvent, type StoredEvent } from './stored-events.js';

/** What a read of the log brings. */
export type Arrival =
  | { readonly type: 'commit'; readonly commit: Commit; readonly chars: number }
  /** Some events of an append, without the others: the read has begun or ended inside it, or there are no others any more. */
  | { readonly type: 'part'; readonly events: readonly StoredEvent[]; readonly chars: number }
  /** Everything up to here was looked at. */
  | { readonly type: 'checkpoint'; readonly commit: string; readonly prepare: string; readonly chars: 0 };

type Put = (arrival: Arrival) => void;

export type RegroupingOptions = {
  /** What is not past this is known to the reader. */
  readonly after: Position;
  /** What is for another audience is passed over. */
  readonly audience: Audience | undefined;
  /** Whether an event that is not ours in that stream concerns us. */
  readonly isOurs: (stream: string) => boolean;
  readonly onForeign: (event: StoredEvent) => void;
};

/** Makes whole appends again of the events that a read brings: those of one follow each other in every stream and in the log. */
export class Regrouping {
  #events: StoredEvent[] = [];
  #chars = 0;

  /** What stands in the metadata of events that are for another audience. */
  readonly #others: string | null;

  constructor(readonly options: RegroupingOptions) {
    const { audience } = options;
    this.#others = audience === undefined ? null : markOf(audience === 'owner' ? 'waiting' : 'owner');
  }

  /** Takes what the server sends. */
  readonly take = (response: ReadResponse, put: Put): void => {
    if (response.type === 'event') this.#takeEvent(response, put);
    // In the middle of an append it would be too far: what has come of it is not handed on yet.
    else if (response.type === 'checkpoint' && this.#events.length === 0)
      put({ type: 'checkpoint', commit: response.commit, prepare: response.prepare, chars: 0 });
  };

  /** At the end of a read: hands on what there is of an append whose other events have not come. */
  rest(put: Put): void {
    if (this.#events.length > 0) this.#put(put);
  }

  #takeEvent(event: ServerEvent, put: Put): void {
    const { after, isOurs, onForeign } = this.options;
    if (event.commit <= after) return;
    if (this.#others !== null && event.metadata.includes(this.#others)) return this.#passOver(event, put);
    const stored = storedEvent(event);
    if (stored.isForeign) {
      if (!isOurs(event.stream)) return;
      onForeign(stored);
    }
    const last = this.#events.at(-1);
    if (last !== undefined && !follows(last, stored)) this.#put(put);
    this.#events.push(stored);
    this.#chars += stored.data.length;
    if (stored.index === stored.of - 1) this.#put(put);
  }

  /** Far more than the others are one's own: nothing is made of them. */
  #passOver({ metadata, commit }: ServerEvent, put: Put): void {
    if (this.#events.length > 0) this.#put(put);
    const position = String(commit);
    if (isLastOfAppend(metadata)) put({ type: 'checkpoint', commit: position, prepare: position, chars: 0 });
  }

  #put(put: Put): void {
    const events = this.#events;
    const chars = this.#chars;
    this.#events = [];
    this.#chars = 0;
    const [first] = events as [StoredEvent];
    if (events.length === first.of) put({ type: 'commit', commit: commitOf(events), chars });
    else put({ type: 'part', events, chars });
  }
}

/** Whether an event is the next one of the same append. */
export const follows = (last: StoredEvent, next: StoredEvent): boolean =>
  next.index === last.index + 1 &&
  next.revision === last.revision + 1 &&
  next.of === last.of &&
  next.stream === last.stream &&
  next.shared === last.shared;
