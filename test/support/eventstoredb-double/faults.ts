export type AppendFault =
  /** Never reaches the log, and is not answered. */
  | { readonly type: 'lose-request' }
  /** Written, and not answered. */
  | { readonly type: 'lose-answer' }
  /** Answered "Server Is Not Ready". */
  | { readonly type: 'refuse' }
  /** Written late. */
  | { readonly type: 'delay'; readonly wait: () => Promise<void> }
  /** Written at once, answered late. */
  | { readonly type: 'answer-late'; readonly wait: () => Promise<void> };

/** What goes wrong on purpose. */
export class Faults {
  #queued: AppendFault[] = [];
  #frozen: Promise<void> | null = null;
  #thaw: () => void = () => {};
  #ready = false;
  /** Reads are refused as to somebody whose password is wrong. */
  denied = false;
  #flush: (() => Promise<void>) | null = null;
  readonly #timers = new Set<NodeJS.Timeout>();

  /** False for a while after the start: everything is answered "Server Is Not Ready". */
  get ready(): boolean {
    return this.#ready;
  }

  becomeReady(afterMs: number): void {
    this.#ready = false;
    void this.after(afterMs).then(() => (this.#ready = true));
  }

  /** The next appends, one fault each. */
  nextAppends(...faults: readonly AppendFault[]): void {
    this.#queued.push(...faults);
  }

  takeAppendFault(): AppendFault | null {
    return this.#queued.shift() ?? null;
  }

  /** Nothing is done or answered until it thaws; connections stay, and answer pings. */
  freeze(): void {
    this.#frozen ??= new Promise((resolve) => (this.#thaw = resolve));
  }

  thaw(): void {
    this.#frozen = null;
    this.#thaw();
  }

  get frozen(): boolean {
    return this.#frozen !== null;
  }

  async thawed(): Promise<void> {
    while (this.#frozen !== null) await this.#frozen;
  }

  /** The next flush to the disk waits for this. */
  holdFlush(wait: () => Promise<void>): void {
    this.#flush = wait;
  }

  async flushes(): Promise<void> {
    const wait = this.#flush;
    this.#flush = null;
    await wait?.();
  }

  /** Resolves after a time, or at the end of the server. */
  after(ms: number): Promise<void> {
    if (ms === 0) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        this.#timers.delete(timer);
        resolve();
      }, ms);
      this.#timers.add(timer);
    });
  }

  /** Forgets what was to come. */
  clear(): void {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
    this.#queued = [];
    this.thaw();
  }
}
