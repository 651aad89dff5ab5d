import type { Position } from '#event-store';

/** What is read from the log but not yet in the views. `seconds` is the age of the oldest of it; see `caughtUp`. */
export type Lag = {
  readonly events: number;
  readonly seconds: number;
  /** False while older events are still being read from disk: the true lag is then larger. */
  readonly caughtUp: boolean;
};

/** Keeps the views of a log, from `start` to `stop`; of several that share the views, one at a time. */
export abstract class ViewProjector {
  abstract start(): Promise<void>;
  abstract stop(): Promise<void>;
  /** The position up to which everything is in the views, as far as this process knows. */
  abstract get checkpoint(): Position;
  abstract get lag(): Lag;
  /** False while it stands by, and another process writes. */
  abstract get leads(): boolean;
}
