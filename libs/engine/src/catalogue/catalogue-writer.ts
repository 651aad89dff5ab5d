import {
  decideCatalogue,
  evolveCatalogue,
  type CatalogueCommand,
  type CatalogueEvent,
  type CatalogueRejection,
  type CatalogueState,
  type Workflow,
} from '#domain';
import { CATALOGUE, type EventStore, type Position, type Revision } from '#event-store';
import type { Clock, Entropy } from '#runtime';
import type { Origin } from '../runs.js';
import { appendSurely, CatalogueUnavailable } from './append-surely.js';
import { encodeCatalogueEvent } from './catalogue-event-codec.js';
import type { CatalogueReader } from './catalogue-reader.js';

const CONFLICTS_MAX = 10;

export type Written =
  /** `workflow`: as the decision left it, whatever others have written since; `null` when nothing of it is left. */
  | {
      readonly status: 'accepted';
      readonly changed: boolean;
      readonly workflow: Workflow | null;
      readonly position: Position;
    }
  | { readonly status: 'rejected'; readonly rejection: CatalogueRejection };

/** Decides commands on the catalogue and appends what comes of them, under the revision they were decided on. */
export class CatalogueWriter {
  /** One after the other: writes of one process need not conflict among themselves. */
  private last: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly store: EventStore,
    private readonly reader: CatalogueReader,
    private readonly clock: Clock,
    private readonly entropy: Entropy,
  ) {}

  write(command: CatalogueCommand, origin: Origin): Promise<Written> {
    const written = this.last.then(() => this.decide(command, origin));
    // Whoever asked for it hears of its failure; the next one is not concerned.
    this.last = written.catch(() => null);
    return written;
  }

  /** When all writes that were asked for are done. */
  async idle(): Promise<void> {
    await this.last;
  }

  private async decide(command: CatalogueCommand, origin: Origin): Promise<Written> {
    for (let conflicts = 0; conflicts <= CONFLICTS_MAX; conflicts++) {
      const { state } = this.reader;
      const decision = decideCatalogue(command, state);
      const before = state.revision;
      if (!decision.accepted || decision.events.length === 0) {
        // No append fences this answer, so it is given only when nothing new stands in the stream.
        await this.reader.refresh();
        if (state.revision !== before) continue;
        if (!decision.accepted) return { status: 'rejected', rejection: decision.rejection };
        return {
          status: 'accepted',
          changed: false,
          workflow: after(command, state, []),
          position: this.reader.position,
        };
      }
      const recordedAt = this.clock.now();
      const workflow = after(command, state, decision.events, recordedAt);
      const outcome = await appendSurely(this.store, this.clock, {
        stream: CATALOGUE,
        // The fold's revision is the stream's.
        expected: before as Revision,
        events: decision.events.map(encodeCatalogueEvent),
        envelope: { commandId: this.entropy.hex(16), recordedAt, ...origin },
      });
      await this.reader.refresh();
      if (outcome.status === 'appended')
        return { status: 'accepted', changed: true, workflow, position: outcome.position };
    }
    throw new CatalogueUnavailable(`the catalogue was written by others ${CONFLICTS_MAX} times in a row`);
  }
}

/** The workflow alone, as the events of one decision leave it. */
const after = (
  { name }: CatalogueCommand,
  { revision, workflows }: CatalogueState,
  events: readonly CatalogueEvent[],
  recordedAt = '',
): Workflow | null => {
  const before = workflows.get(name);
  const alone = { revision, workflows: new Map(before === undefined ? [] : [[name, before]]) };
  for (const event of events) evolveCatalogue(alone, event, { revision: alone.revision + 1, recordedAt });
  return alone.workflows.get(name) ?? null;
};
