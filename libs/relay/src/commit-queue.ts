import type { Commit } from '#event-store';

/** Commits that were read and not yet taken, bounded: who reads waits for room, who sends waits for the first. */
export class CommitQueue {
  readonly #bytesMax: number;
  #commits: Commit[] = [];
  #bytes = 0;
  #events = 0;
  #arrived: () => void = () => {};
  #room: () => void = () => {};

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get events(): number {
    return this.#events;
  }

  get oldest(): Commit | null {
    return this.#commits[0] ?? null;
  }

  /** Resolves when there is room for more, or when the signal aborts. What is given is kept in any case. */
  async put(commits: readonly Commit[], signal: AbortSignal): Promise<void> {
    for (const commit of commits) {
      this.#commits.push(commit);
      this.#bytes += commit.packed.length;
      this.#events += commit.count;
    }
    this.#arrived();
    if (this.#bytes >= this.#bytesMax) await released(signal, (release) => (this.#room = release));
  }

  /** The oldest ones, up to so many bytes and at least one; none when the signal aborts first. */
  async take(bytesMax: number, signal: AbortSignal): Promise<readonly Commit[]> {
    if (this.#commits.length === 0) await released(signal, (release) => (this.#arrived = release));
    let count = 0;
    let bytes = 0;
    for (const commit of this.#commits) {
      if (count > 0 && bytes + commit.packed.length > bytesMax) break;
      count++;
      bytes += commit.packed.length;
    }
    const taken = this.#commits.splice(0, count);
    this.#bytes -= bytes;
    this.#events -= taken.reduce((sum, commit) => sum + commit.count, 0);
    if (this.#bytes < this.#bytesMax) this.#room();
    return taken;
  }
}

/** Resolves when the function that `wait` is given is called, or when the signal aborts. */
const released = (signal: AbortSignal, wait: (release: () => void) => void): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const release = (): void => {
      signal.removeEventListener('abort', release);
      resolve();
    };
    signal.addEventListener('abort', release);
    wait(release);
  });
