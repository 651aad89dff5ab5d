import type { RunId } from '#engine';
import type { Clock } from '#runtime';
import { runIdOf } from '../../libs/dispatch/src/testing/dispatch-world.js';
import type { Chance } from '../support/chance.js';
import type { ApiProcess } from './processes.js';
import { chanceOf } from './seeded.js';

/** Runs are started within this time. */
const STARTS_MS = 22_000;
/** How long after its start a run is read, or cancelled, at the most. */
const LATER_MS = 4_000;
/** A caller that hears nothing for so long asks again. */
const PATIENCE_MS = 8_000;
const AGAIN_MS = 200;

export type CallersParts = {
  readonly time: Clock;
  readonly seed: number;
  readonly apis: () => readonly ApiProcess[];
  readonly note: (line: string) => void;
};

/** Those who start one run, wait for it, read it and cancel it. An API that does not answer is left for another. */
export class Caller {
  readonly runId: RunId;
  readonly waits: { readonly api: ApiProcess; isOver: boolean }[] = [];
  private readonly chance: Chance;

  constructor(
    readonly key: string,
    private readonly parts: CallersParts,
  ) {
    this.runId = runIdOf(key);
    this.chance = chanceOf(parts.seed, 'caller', key);
  }

  /** Starts the run until it is known to be started; some are started twice, with this or another input, some cancelled. */
  async call(withinMs = STARTS_MS): Promise<void> {
    const { chance } = this;
    await this.pass(chance.between(0, withinMs));
    const starts = [this.start(1)];
    if (chance.yes(0.3)) starts.push(this.start(chance.yes(0.3) ? 2 : 1));
    // Before it is known to be there.
    if (chance.yes(0.05)) starts.push(this.cancel());
    this.parts.note(`${this.key} (${this.runId}): ${(await Promise.all(starts)).join(', ')}`);
    // Once more, later.
    const again = chance.yes(0.3) ? [this.pass(chance.between(0, LATER_MS)).then(() => this.start(1))] : [];
    const later: Promise<unknown>[] = [...again, this.read(), this.read(), this.wait(), this.wait()];
    if (chance.yes(0.2)) later.push(this.cancel(), ...(chance.yes(0.5) ? [this.cancel()] : []));
    await Promise.all(later);
  }

  /** Reads it and waits for it once more, when all is well again. */
  async lookAtEnd(): Promise<void> {
    await Promise.all(
      this.parts.apis().map(async (api) => {
        const wait = { api, isOver: false };
        this.waits.push(wait);
        api.awaitEnd(this.runId, () => (wait.isOver = true));
        await this.answered((answer) => api.load(this.runId, answer));
      }),
    );
  }

  private async start(input: unknown): Promise<string> {
    return this.until((api, answer) => api.start(this.runId, this.key, input, answer));
  }

  private async wait(): Promise<void> {
    await this.pass(this.chance.between(0, LATER_MS));
    const api = this.api();
    if (api === null) return;
    const wait = { api, isOver: false };
    this.waits.push(wait);
    api.awaitEnd(this.runId, () => (wait.isOver = true));
  }

  private async read(): Promise<void> {
    await this.pass(this.chance.between(0, LATER_MS));
    const api = this.api();
    if (api !== null) await this.answered((answer) => api.load(this.runId, answer));
  }

  private async cancel(): Promise<string> {
    await this.pass(this.chance.between(0, LATER_MS));
    const status = await this.until((api, answer) => api.cancel(this.runId, answer));
    this.parts.note(`${this.key} (${this.runId}): a cancel is ${status}`);
    return status;
  }

  /** Asks again, there or elsewhere, until there is an answer. */
  private async until(ask: (api: ApiProcess, answer: (status: string) => void) => void): Promise<string> {
    for (;;) {
      const api = this.api();
      const status = api === null ? 'no api' : await this.answered((answer) => ask(api, answer));
      if (status !== 'unavailable' && status !== 'no api' && status !== 'silence') return status;
      await this.pass(AGAIN_MS);
    }
  }

  private answered(ask: (answer: (status: string) => void) => void): Promise<string> {
    return new Promise((resolve) => {
      const cancel = this.parts.time.after(PATIENCE_MS, () => resolve('silence'));
      ask((status) => {
        cancel();
        resolve(status);
      });
    });
  }

  private api(): ApiProcess | null {
    const apis = this.parts.apis();
    return apis.length === 0 ? null : this.chance.oneOf(apis);
  }

  private pass(ms: number): Promise<void> {
    return new Promise((resolve) => this.parts.time.after(ms, resolve));
  }
}
