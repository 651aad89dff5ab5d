/** Counts what is under way, and tells when nothing is. */
export class UnderWay {
  private count = 0;
  private waiting: (() => void)[] = [];

  begin(): void {
    this.count += 1;
  }

  end(): void {
    this.count -= 1;
    if (this.count === 0) for (const resolve of this.waiting.splice(0)) resolve();
  }

  /** Resolves when nothing is under way, nor comes of what was. */
  async none(): Promise<void> {
    while (this.count > 0) {
      await new Promise<void>((resolve) => this.waiting.push(resolve));
      // What was read may lead to an append.
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
}
