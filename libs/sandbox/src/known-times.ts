const SOURCES_MAX = 10_000;
/** How much of a long time is believed again after a short one. */
const FADING = 0.9;

/** How long sources took to evaluate, lately: near the longest. Only an estimate. */
export class KnownTimes {
  readonly #us = new Map<string, number>();

  /** `Infinity`: never seen. */
  of(source: string): number {
    return this.#us.get(source) ?? Infinity;
  }

  learn(source: string, us: number): void {
    const known = this.#us.get(source);
    if (known === undefined && this.#us.size >= SOURCES_MAX) this.#us.delete(this.#us.keys().next().value!);
    this.#us.set(source, Math.max(us, (known ?? 0) * FADING));
  }
}
