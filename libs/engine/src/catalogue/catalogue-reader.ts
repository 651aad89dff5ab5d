import { evolveCatalogue, newCatalogue, type CatalogueState, type Workflow } from '#domain';
import {
  CATALOGUE,
  FOREIGN,
  LOG_START,
  unpack,
  type EventStore,
  type Position,
  type RecordedEvent,
  type Revision,
} from '#event-store';
import { firstIndex, type Clock, type Log } from '#runtime';
import { LogFollower } from '../log-follower.js';
import { decodeCatalogueEvent } from './catalogue-event-codec.js';

/** The catalogue as this process knows it: loaded once, then kept by following the stream. */
export class CatalogueReader {
  private readonly folded = newCatalogue();
  private lastPosition = LOG_START;
  private names: readonly string[] = [];
  private reading: Promise<void> | null = null;
  private nextReading: Promise<void> | null = null;
  private follower: LogFollower | null = null;

  constructor(
    private readonly store: EventStore,
    private readonly clock: Clock,
    private readonly log: Log,
  ) {}

  async start(): Promise<void> {
    if (this.follower !== null) return;
    // The head first: what is appended while the stream is read is then met twice, not missed.
    const head = await this.store.head();
    await this.refresh();
    this.follower ??= new LogFollower(this.store, this.clock, this.log, {
      after: head,
      filter: { stream: CATALOGUE },
      onCommits: async (commits) => {
        for (const commit of commits) for (const event of unpack(commit)) await this.observe(event);
      },
    });
  }

  async stop(): Promise<void> {
    await this.follower?.stop();
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
    // The next revision of the same stream.
    const from = (this.folded.revision + 1) as Revision;
    for await (const page of this.store.readPages(CATALOGUE, { from })) for (const event of page) this.apply(event);
  }

  private apply(event: RecordedEvent): void {
    if (event.revision <= this.folded.revision) return;
    const known = this.folded.workflows.size;
    // What somebody else has put there takes its revision, and means nothing.
    if (event.type === FOREIGN) this.folded.revision = event.revision;
    else evolveCatalogue(this.folded, decodeCatalogueEvent(event), event);
    this.lastPosition = event.position;
    if (this.folded.workflows.size > known) this.names = [];
  }

  /** An event past the next one shows that some were missed: the stream has them. */
  private async observe(event: RecordedEvent): Promise<void> {
    if (event.revision > this.folded.revision + 1) await this.refresh();
    else this.apply(event);
  }

  private sortedNames(): readonly string[] {
    if (this.names.length !== this.folded.workflows.size) this.names = [...this.folded.workflows.keys()].sort();
    return this.names;
  }
}

/** The index of the first name past a given one. */
const indexAfter = (names: readonly string[], name: string): number =>
  firstIndex(names.length, (index) => names[index]! > name);
