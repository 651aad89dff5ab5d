import { evolveCatalogue, newCatalogue, type CatalogueState, type Workflow } from '#domain';
import {
  CATALOGUE,
  LOG_START,
  unpack,
  type EventStore,
  type Position,
  type RecordedEvent,
  type Revision,
} from '#event-store';
import type { Clock, Log } from '#runtime';
import { decodeCatalogueEvent } from './catalogue-event-codec.js';

/** Documents come with the events, up to 512 KiB each. */
const PAGE_EVENTS = 64;
const FOLLOW_AGAIN_AFTER_MS = 1_000;

/** The catalogue as this process knows it: loaded once, then kept by following the stream. */
export class CatalogueReader {
  private readonly folded = newCatalogue();
  private lastPosition = LOG_START;
  /** Of the log, not of the stream: where following begins. */
  private followed = LOG_START;
  private names: readonly string[] = [];
  private reading: Promise<void> | null = null;
  private nextReading: Promise<void> | null = null;
  private following: Promise<void> | null = null;
  private readonly stopping = new AbortController();

  constructor(
    private readonly store: EventStore,
    private readonly clock: Clock,
    private readonly log: Log,
  ) {}

  async start(): Promise<void> {
    if (this.following !== null) return;
    // The head first: what is appended while the stream is read is then met twice, not missed.
    this.followed = await this.store.head();
    await this.refresh();
    this.following ??= this.follow();
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    await this.following;
  }

  get state(): CatalogueState {
    return this.folded;
  }

  /** Of the last event of the catalogue that is known here. */
  get position(): Position {
    return this.lastPosition;
  }

  workflow(name: string): Workflow | undefined {
    return this.folded.workflows.get(name);
  }

  list(after: string | null, limit: number, archived: boolean): { items: readonly Workflow[]; more: boolean } {
    const names = this.sortedNames();
    const items: Workflow[] = [];
    for (let index = after === null ? 0 : indexAfter(names, after); index < names.length; index++) {
      const workflow = this.folded.workflows.get(names[index]!);
      if (workflow === undefined || (!archived && workflow.archivedAt !== null)) continue;
      if (items.length === limit) return { items, more: true };
      items.push(workflow);
    }
    return { items, more: false };
  }

  /** Names of about the length of a given one, at most so many; archived ones are nobody's guess. */
  *namesLike(name: string, most: number): Iterable<string> {
    let given = 0;
    for (const workflow of this.folded.workflows.values()) {
      if (workflow.archivedAt !== null || Math.abs(workflow.name.length - name.length) > name.length / 2) continue;
      if (++given > most) return;
      yield workflow.name;
    }
  }

  /**
   * Reads what the stream holds past the known revision, as of now: a reading that began earlier may have missed what the
   * caller means to see. Those who ask during one share the next.
   */
  refresh(): Promise<void> {
    if (this.reading === null) {
      this.reading = this.readTail().finally(() => {
        this.reading = null;
      });
      return this.reading;
    }
    // How the reading before it ends is its own callers' concern.
    this.nextReading ??= this.reading
      .catch(() => undefined)
      .then(() => {
        this.nextReading = null;
        return this.refresh();
      });
    return this.nextReading;
  }

  private async readTail(): Promise<void> {
    for (;;) {
      // The next revision of the same stream.
      const from = (this.folded.revision + 1) as Revision;
      const page = await this.store.readStream(CATALOGUE, { from, limit: PAGE_EVENTS });
      for (const event of page) this.apply(event);
      if (page.length < PAGE_EVENTS) return;
    }
  }

  private apply(event: RecordedEvent): void {
    if (event.revision <= this.folded.revision) return;
    const known = this.folded.workflows.size;
    evolveCatalogue(this.folded, decodeCatalogueEvent(event), event);
    this.lastPosition = event.position;
    if (this.folded.workflows.size > known) this.names = [];
  }

  private async follow(): Promise<void> {
    const { signal } = this.stopping;
    while (!signal.aborted) {
      try {
        for await (const message of this.store.subscribe(this.followed, { filter: { stream: CATALOGUE }, signal })) {
          if (message.type === 'caught-up') {
            this.followed = message.position;
          } else {
            for (const commit of message.commits) {
              for (const event of unpack(commit)) await this.meet(event);
              this.followed = commit.position;
            }
          }
        }
      } catch (cause) {
        this.log.error('the catalogue could not be followed; trying again', { err: cause });
      }
      await this.pause(signal);
    }
  }

  /** An event past the next one shows that some were missed: the stream has them. */
  private async meet(event: RecordedEvent): Promise<void> {
    if (event.revision > this.folded.revision + 1) await this.refresh();
    else this.apply(event);
  }

  private pause(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (signal.aborted) return resolve();
      const cancel = this.clock.after(FOLLOW_AGAIN_AFTER_MS, () => {
        signal.removeEventListener('abort', leave);
        resolve();
      });
      const leave = () => {
        cancel();
        resolve();
      };
      signal.addEventListener('abort', leave, { once: true });
    });
  }

  private sortedNames(): readonly string[] {
    if (this.names.length !== this.folded.workflows.size) this.names = [...this.folded.workflows.keys()].sort();
    return this.names;
  }
}

/** The index of the first name past a given one, by halving. */
const indexAfter = (names: readonly string[], name: string): number => {
  let low = 0;
  let high = names.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (names[middle]! <= name) low = middle + 1;
    else high = middle;
  }
  return low;
};
