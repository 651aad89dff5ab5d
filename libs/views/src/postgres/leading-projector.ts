import type { EventStore, Position } from '#event-store';
import { LOG_START } from '#event-store';
import { aborted, type Clock } from '#runtime';
import { Projector, type ProjectorOptions } from '../projector.js';
import { ViewProjector, type Lag } from '../view-projector.js';
import { PostgresLeaderLock, type Leading, type LeaderLockOptions } from './postgres-leader-lock.js';
import { PostgresViewStore } from './postgres-view-store.js';
import { HURRY_CHANNEL } from './views-schema.js';

/** Somebody in another process waits so long at most. */
const HURRY_FOR_MS = 5_000;
/** A run takes half a second where several processes share its work under load, so that one second would cut half of all. */
const BUSY_GATHER_MS = 2_000;

/** A projector that works while its process is the one active of several, and stands by else. */
export class LeadingProjector extends ViewProjector {
  readonly #log: EventStore;
  readonly #url: string;
  readonly #clock: Clock;
  readonly #options: ProjectorOptions;
  readonly #lock: PostgresLeaderLock;
  #projector: Projector | null = null;

  constructor(
    log: EventStore,
    url: string,
    clock: Clock,
    options: ProjectorOptions & { readonly lock: LeaderLockOptions },
  ) {
    super();
    this.#log = log;
    this.#url = url;
    this.#clock = clock;
    this.#options = { busyGatherMs: BUSY_GATHER_MS, ...options };
    this.#lock = new PostgresLeaderLock(url, 'projector', clock, options.lock);
  }

  async start(): Promise<void> {
    this.#lock.start((leading) => this.#project(leading));
  }

  /** Another one takes over at once. */
  stop(): Promise<void> {
    return this.#lock.stop();
  }

  get leads(): boolean {
    return this.#projector !== null;
  }

  /** Of the one that writes; one that stands by knows of none. */
  get lag(): Lag {
    return this.#projector?.lag ?? { events: 0, seconds: 0, caughtUp: false };
  }

  get checkpoint(): Position {
    return this.#projector?.checkpoint ?? LOG_START;
  }

  async #project({ session, signal }: Leading): Promise<void> {
    const views = new PostgresViewStore(this.#url, { session, clock: this.#clock });
    const projector = new Projector(this.#log, views, this.#clock, this.#options);
    try {
      await session.listen(HURRY_CHANNEL, (position) => {
        void projector.waitFor(Number(position) as Position, HURRY_FOR_MS);
      });
      await projector.start();
      this.#projector = projector;
      await aborted(signal);
    } finally {
      this.#projector = null;
      await projector.stop();
      await views.stop();
    }
  }
}
