import { watch } from 'node:fs';
import { join } from 'node:path';

import { spawnStandalone } from '../support/apps.js';
import type { Chance } from '../support/chance.js';
import { pause } from '../support/pause.js';
import { freePort, type Child } from '../support/processes.js';

/**
 * When the server is killed: at a random moment; as a client receives an acknowledgement; as the application receives
 * a request; as a file of the views is written; or while it starts. The aimed ones make a window of microseconds
 * (acknowledged before committed, sent before recorded, checkpoint before rows) as likely to be hit as one of seconds.
 */
export type Aim = 'at random' | 'at an acknowledgement' | 'at a request' | 'at a view write' | 'while starting';

export const AIMS: readonly Aim[] = [
  'at random',
  'at an acknowledgement',
  'at a request',
  'at a view write',
  'while starting',
];

const SHORTEST_LIFE_MS = 300;
const LONGEST_LIFE_MS = 2000;
/** Life of a server that is killed by aim, before the aim is taken: together they stay below the longest life. */
const LONGEST_LIFE_BEFORE_AIM_MS = 1500;
const AIM_TIMEOUT_MS = 500;
const LONGEST_START_MS = 600;
const READY_TIMEOUT_MS = 30_000;

/** The server under test: killed without warning, started again on the same port and the same data. */
export class Victim {
  readonly url: string;
  readonly kills = new Map<Aim, number>(AIMS.map((aim) => [aim, 0]));
  /** Ends that nobody asked for, with what was printed. */
  readonly unexpectedEnds: string[] = [];
  /** Longest time from start to ready, in milliseconds. */
  slowestStartMs = 0;
  readonly #port: number;
  readonly #dataDir: string;
  readonly #viewsDir: string;
  readonly #env: Readonly<Record<string, string>>;
  #child: Child | null = null;
  #armed: Aim | null = null;

  private constructor(port: number, dataDir: string, env: Readonly<Record<string, string>>) {
    this.#port = port;
    this.#dataDir = dataDir;
    this.#viewsDir = join(dataDir, 'views');
    this.#env = env;
    this.url = `http://127.0.0.1:${port}`;
  }

  static async create(dataDir: string, env: Readonly<Record<string, string>> = {}): Promise<Victim> {
    return new Victim(await freePort(), dataDir, env);
  }

  get killed(): number {
    return [...this.kills.values()].reduce((sum, count) => sum + count, 0);
  }

  async start(): Promise<void> {
    const sinceMs = performance.now();
    const child = await this.#spawn();
    await child.ready(`${this.url}/readyz`, READY_TIMEOUT_MS);
    this.slowestStartMs = Math.max(this.slowestStartMs, performance.now() - sinceMs);
  }

  /** Something an aim may wait for has just happened. Kills in the same turn when that aim is taken. */
  happened(aim: Aim): void {
    if (this.#armed !== aim) return;
    this.#armed = null;
    this.#child?.kill();
  }

  /** Lets the running server live a while, kills it, and starts it again. */
  async killOnce(aim: Aim, chance: Chance): Promise<void> {
    const longestMs = aim === 'at random' ? LONGEST_LIFE_MS : LONGEST_LIFE_BEFORE_AIM_MS;
    // Squared: short lives are the more frequent, since a server that has just started has the most to get wrong.
    await pause(SHORTEST_LIFE_MS + chance.next() ** 2 * (longestMs - SHORTEST_LIFE_MS));
    const hit = await this.#killBy(aim);
    this.kills.set(hit, this.kills.get(hit)! + 1);
    if (aim === 'while starting') {
      const child = await this.#spawn();
      await pause(chance.between(0, LONGEST_START_MS));
      await this.#killNow(child);
      this.kills.set(aim, this.kills.get(aim)! + 1);
    }
    await this.start();
  }

  /** SIGTERM; gives the exit code or the signal. */
  async stop(): Promise<number | string | null> {
    const child = this.#child;
    this.#child = null;
    return child === null ? null : child.stop();
  }

  async abandon(): Promise<void> {
    const child = this.#child;
    this.#child = null;
    child?.kill();
    await child?.exited();
  }

  get output(): string {
    return this.#child?.output ?? '';
  }

  /** Kills at the event that the aim waits for, or, when none comes, at random. Gives which it was. */
  async #killBy(aim: Aim): Promise<Aim> {
    const child = this.#child;
    if (child === null) throw new Error('the server is not running');
    let hit: Aim = 'at random';
    if (aim !== 'at random' && aim !== 'while starting') {
      this.#armed = aim;
      const views = aim === 'at a view write' ? watch(this.#viewsDir, () => this.happened(aim)) : null;
      const untilMs = performance.now() + AIM_TIMEOUT_MS;
      while (this.#armed !== null && performance.now() < untilMs) await pause(2);
      views?.close();
      if (this.#armed === null) hit = aim;
      this.#armed = null;
    }
    await this.#killNow(child);
    return hit;
  }

  async #killNow(child: Child): Promise<void> {
    child.kill();
    const ended = await child.exited();
    if (ended !== 'SIGKILL') this.unexpectedEnds.push(`ended with ${ended} before it was killed:\n${child.output}`);
  }

  async #spawn(): Promise<Child> {
    const { child } = await spawnStandalone({ dataDir: this.#dataDir, port: this.#port, env: this.#env });
    this.#child = child;
    return child;
  }
}
