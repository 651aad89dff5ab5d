import { mkdir, open, readFile, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import { LOG_START, type Position } from '#event-store';
import { RelayCheckpoint, type TakenCheckpoint } from '../relay-checkpoint.js';

/** The file of the checkpoint is there, but is not what we have written. To remove it is to publish the log from its start. */
export class CheckpointUnreadable extends Error {
  readonly code = 'checkpoint-unreadable';
  readonly retryable = false;

  constructor(path: string, options?: ErrorOptions) {
    super(`${path} is not a checkpoint; without it the relay publishes the log from its start`, options);
  }
}

/**
 * In a file of its own, for a process that has the folder to itself: whoever has the embedded log has its lock. Written
 * beside, synced and renamed, so that after a power cut the old one or the new one is there, and never half of one.
 */
export class FileRelayCheckpoint extends RelayCheckpoint {
  readonly #path: string;
  /** One write at a time: two would share the file beside. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(path: string) {
    super();
    this.#path = path;
  }

  async start(): Promise<void> {
    await mkdir(dirname(this.#path), { recursive: true });
  }

  async stop(): Promise<void> {
    await this.#last;
  }

  take(): Promise<TakenCheckpoint> {
    return this.#inTurn(async () => {
      const { epoch, position } = await this.#read();
      const taken = { epoch: epoch + 1, position };
      await this.#write(taken);
      return taken;
    });
  }

  store(epoch: number, position: Position): Promise<'stored' | 'fenced'> {
    return this.#inTurn(async () => {
      if ((await this.#read()).epoch !== epoch) return 'fenced';
      await this.#write({ epoch, position });
      return 'stored';
    });
  }

  #inTurn<T>(act: () => Promise<T>): Promise<T> {
    const done = this.#last.then(act);
    this.#last = done.catch(() => {});
    return done;
  }

  async #read(): Promise<TakenCheckpoint> {
    const text = await readFile(this.#path, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return null;
      throw error;
    });
    return text === null ? { epoch: 0, position: LOG_START } : parsed(this.#path, text);
  }

  async #write(checkpoint: TakenCheckpoint): Promise<void> {
    const beside = `${this.#path}.new`;
    const file = await open(beside, 'w');
    try {
      await file.writeFile(JSON.stringify(checkpoint));
      await file.datasync();
    } finally {
      await file.close();
    }
    await rename(beside, this.#path);
  }
}

const parsed = (path: string, text: string): TakenCheckpoint => {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new CheckpointUnreadable(path, { cause });
  }
  if (!isCheckpoint(value)) throw new CheckpointUnreadable(path);
  return value;
};

const isCheckpoint = (value: unknown): value is TakenCheckpoint =>
  typeof value === 'object' &&
  value !== null &&
  'epoch' in value &&
  Number.isSafeInteger(value.epoch) &&
  'position' in value &&
  Number.isSafeInteger(value.position);
