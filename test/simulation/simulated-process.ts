import { instantOf, type Clock, type Entropy, type Log } from '#runtime';
import type { Chance } from '../support/chance.js';
import { chanceOf } from './seeded.js';

/** What all processes of a world have in common. */
export type Surroundings = {
  readonly seed: number;
  /** The true time. */
  readonly time: Clock;
  readonly note: (line: string) => void;
};

/**
 * A process: what comes to it comes through `enter`. Killed, nothing of it runs any more, and nobody cleans up; frozen, it runs
 * when it thaws, with all that has come meanwhile, while time has passed. Its wall clock may be set.
 */
export class SimulatedProcess {
  state: 'running' | 'frozen' | 'dead' = 'running';
  /** How far its wall clock is ahead of the true time. */
  aheadMs = 0;
  /** While true it does not reach the log; its requests fail, and what it follows ends. */
  isCutFromLog = false;
  /** While true it cannot read the log, though it can write. */
  areReadsCut = false;
  /** While true it does not reach the table of who owns which shard. */
  isCutFromTable = false;
  /** How long reads take, and how late news of the log is, at most. */
  readsMs = 3;
  newsMs = 3;
  /** Called when it is cut from the log, and when it is killed: what it follows ends. */
  readonly onCut = new Set<() => void>();
  private held: (() => void)[] = [];
  private readonly chance: Chance;

  constructor(
    readonly name: string,
    readonly world: Surroundings,
  ) {
    this.chance = chanceOf(world.seed, 'process', name);
  }

  readonly clock: Clock = {
    nowMs: () => Math.floor(this.world.time.nowMs() + this.aheadMs),
    monotonicMs: () => this.world.time.monotonicMs(),
    now: () => instantOf(this.clock.nowMs()),
    after: (delayMs, call) => {
      let isOff = false;
      const cancel = this.world.time.after(delayMs, () => this.enter(() => (isOff ? undefined : call())));
      return () => {
        isOff = true;
        cancel();
      };
    },
  };

  readonly entropy: Entropy = {
    jitter: () => this.chance.next(),
    hex: (bytes) => {
      let text = '';
      for (let byte = 0; byte < bytes; byte++)
        text += Math.floor(this.chance.between(0, 256)).toString(16).padStart(2, '0');
      return text;
    },
  };

  readonly log: Log = {
    debug: () => undefined,
    info: () => undefined,
    warn: (message, fields) => this.say(message, fields),
    error: (message, fields) => this.say(message, fields),
    child: () => this.log,
  };

  /** Something comes to the process. */
  enter(call: () => void): void {
    if (this.state === 'running') call();
    else if (this.state === 'frozen') this.held.push(call);
  }

  /** Something comes to it after so long, over a wire. */
  enterAfter(delayMs: number, call: () => void): void {
    this.world.time.after(delayMs, () => this.enter(call));
  }

  /** Asks something elsewhere, over a wire that takes so long at the most, there and back. */
  ask<Answer>(mostMs: number, ask: () => Answer | Promise<Answer>): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const back = (call: () => void): void => this.enterAfter(this.delayMs(mostMs), call);
      const answer = async (): Promise<Answer> => ask();
      this.world.time.after(this.delayMs(mostMs), () => {
        answer().then(
          (answered) => back(() => resolve(answered)),
          (fault: unknown) => back(() => reject(fault instanceof Error ? fault : new Error(String(fault)))),
        );
      });
    });
  }

  freeze(): void {
    if (this.state === 'running') this.state = 'frozen';
  }

  thaw(): void {
    if (this.state !== 'frozen') return;
    this.state = 'running';
    // In the order in which it came, each by itself.
    for (const call of this.held.splice(0)) this.enterAfter(0, call);
  }

  kill(): void {
    this.state = 'dead';
    this.held = [];
    this.cut();
  }

  /** What it follows ends. */
  cut(): void {
    for (const call of [...this.onCut]) call();
  }

  /** Between none and so many milliseconds. */
  delayMs(mostMs: number): number {
    return this.chance.between(0, mostMs);
  }

  private say(message: string, fields: Readonly<Record<string, unknown>> = {}): void {
    const fault = fields['err'] ?? fields['reason'];
    this.world.note(`${this.name}: ${message}${fault === undefined ? '' : `: ${textOf(fault)}`}`);
  }
}

const textOf = (fault: unknown): string => (fault instanceof Error ? fault.message : String(fault));
