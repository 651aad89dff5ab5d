import { LOG_START, type Position } from '#event-store';

export type TakenCheckpoint = { readonly epoch: number; readonly position: Position };

/**
 * How far the relay has come: everything up to here was acknowledged by the broker. It is of one holder at a time, the
 * last who took it; a holder from before, back from a long pause, can no longer move it. Every adapter passes
 * `testing/relay-checkpoint-contract.ts`.
 */
export abstract class RelayCheckpoint {
  /** Opens what it is kept in. Idempotent. */
  abstract start(): Promise<void>;
  /** Idempotent. */
  abstract stop(): Promise<void>;
  /** Makes the caller the holder, under an epoch higher than any before. `LOG_START` when nothing was ever stored. */
  abstract take(): Promise<TakenCheckpoint>;
  /** `fenced`: another has taken it since, and nothing was changed. */
  abstract store(epoch: number, position: Position): Promise<'stored' | 'fenced'>;
}

/** Of this process alone, for tests and for a log that is in memory too. */
export class MemoryRelayCheckpoint extends RelayCheckpoint {
  #epoch = 0;
  #position: Position = LOG_START;

  async start(): Promise<void> {}
  async stop(): Promise<void> {}

  /** Where it stands, without taking it. */
  async peek(): Promise<Position> {
    return this.#position;
  }

  async take(): Promise<TakenCheckpoint> {
    return { epoch: ++this.#epoch, position: this.#position };
  }

  async store(epoch: number, position: Position): Promise<'stored' | 'fenced'> {
    if (epoch !== this.#epoch) return 'fenced';
    this.#position = position;
    return 'stored';
  }
}
