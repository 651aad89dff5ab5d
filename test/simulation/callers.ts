import type { RunId, StartReply } from '#engine';
import type { Clock } from '#runtime';
import { runIdOf } from '../../libs/dispatch/src/testing/dispatch-world.js';
import type { Api } from '../../libs/dispatch/src/testing/split-world.js';
import { chanceOf } from './seeded.js';
import type { Witness } from './witness.js';

const AGAIN_MS = 200;
/** How long after its start a run is read, or cancelled, at the most. */
const LATER_MS = 4_000;

export type CallersParts = {
  readonly clock: Clock;
  readonly seed: number;
  readonly apis: readonly [Api, Api];
  readonly witness: Witness;
  readonly note: (line: string) => void;
};

const pass = (clock: Clock, ms: number): Promise<void> => new Promise((resolve) => clock.after(ms, resolve));

/** Those who start a run, wait for it, read it and cancel it; each reply is held against the log. */
export class Caller {
  readonly runId: RunId;
  /** How many wait for the end and were not told. */
  waiting = 0;

  constructor(
    readonly key: string,
    private readonly parts: CallersParts,
  ) {
    this.runId = runIdOf(key);
  }

  /** Starts the run until it is known to be started; some are started twice, with this or another input, some cancelled. */
  async call(): Promise<void> {
    const { clock, seed, apis, note } = this.parts;
    const chance = chanceOf(seed, 'caller', this.key);
    const startAt = chance.between(0, 8_000);
    const api = chance.oneOf(apis);
    const other = apis[0] === api ? apis[1] : apis[0];
    const isTwice = chance.yes(0.3);
    const secondInput = chance.yes(0.3) ? 2 : 1;
    const cancelMs = chance.yes(0.2) ? chance.between(0, LATER_MS) : null;
    const reads = [chance.between(0, LATER_MS), chance.between(0, LATER_MS)] as const;
    await pass(clock, startAt);
    const starts = [this.start(api, 1), ...(isTwice ? [this.start(other, secondInput)] : [])];
    note(`${this.key} is started: ${(await Promise.all(starts)).join(', ')}`);
    // They may be told long after this.
    this.awaitEnd(api);
    this.awaitEnd(other);
    await Promise.all([
      this.read(api, reads[0]),
      this.read(other, reads[1]),
      ...(cancelMs === null ? [] : [this.cancel(other, cancelMs)]),
    ]);
  }

  /** Reads it once more when all is well again: then there is an answer. */
  async lookAtEnd(api: Api): Promise<string> {
    const asked = this.parts.witness.ask(this.runId);
    const loaded = await api.engine.load(this.runId);
    this.parts.witness.loaded(asked, loaded);
    return loaded?.run.status ?? 'unknown';
  }

  private async start(api: Api, input: unknown): Promise<StartReply['status']> {
    const { clock, witness } = this.parts;
    for (;;) {
      const asked = witness.ask(this.runId);
      const reply = await api.startRun(this.key, input);
      witness.started(asked, JSON.stringify(input), reply);
      if (reply.status !== 'unavailable') return reply.status;
      await pass(clock, AGAIN_MS);
    }
  }

  private awaitEnd(api: Api): void {
    const asked = this.parts.witness.ask(this.runId);
    this.waiting += 1;
    void api.engine.whenEnded(this.runId, (loaded) => {
      this.waiting -= 1;
      this.parts.witness.ended(asked, loaded);
    });
  }

  private async read(api: Api, afterMs: number): Promise<void> {
    await pass(this.parts.clock, afterMs);
    const asked = this.parts.witness.ask(this.runId);
    // A read that fails says nothing.
    const answer = await api.engine.load(this.runId).then(
      (loaded) => ({ loaded }),
      () => null,
    );
    if (answer !== null) this.parts.witness.loaded(asked, answer.loaded);
  }

  private async cancel(api: Api, afterMs: number): Promise<void> {
    const { clock, witness, note } = this.parts;
    await pass(clock, afterMs);
    const asked = witness.ask(this.runId);
    const reply = await api.cancel(this.key);
    witness.cancelled(asked, reply);
    note(`${this.key} is cancelled: ${reply.status}`);
  }
}
