import { Injectable } from '@nestjs/common';
import { Clock, readinessOf, type MetricSources, type NodeState, type NodeVersions, type Readiness } from '#runtime';

type PartReadiness = Readiness['parts'][string];

/** What one part of a process tells about itself. */
export type PartReport = {
  readonly readiness?: Readonly<Record<string, () => PartReadiness | Promise<PartReadiness>>>;
  readonly metrics?: MetricSources;
  readonly state?: () => Partial<NodeState>;
  readonly versions?: () => Partial<NodeVersions>;
};

/** Probes give up after a second, mostly; a store that is away may take longer than that to be known as away. */
const READINESS_WITHIN_MS = 500;

export const READY: PartReadiness = { status: 'ready', detail: null };
export const notReady = (detail: string): PartReadiness => ({ status: 'not-ready', detail });

/** What all parts of the process tell: whether it is ready, what it counts, and what stands in `/v1/node`. */
@Injectable()
export class ProcessReport {
  readonly #parts: PartReport[] = [];
  /** Of all parts; those that are added later come in. */
  readonly metrics: MetricSources = {};
  #leaving = false;
  /** Checks under way: one that is slow is not asked once more by each probe. */
  readonly #asked = new Map<string, Promise<PartReadiness>>();

  constructor(private readonly clock: Clock) {}

  add(part: PartReport): void {
    this.#parts.push(part);
    Object.assign(this.metrics, part.metrics);
  }

  /** From now on the process is not ready: new work is better sent elsewhere. */
  leave(): void {
    this.#leaving = true;
  }

  async readiness(): Promise<Readiness> {
    const checks = Object.entries(Object.assign({}, ...this.#parts.map(({ readiness }) => readiness)) as Checks);
    const parts = await Promise.all(checks.map(async ([name, check]) => [name, await this.#ask(name, check)] as const));
    const process = this.#leaving ? notReady('The process is stopping.') : READY;
    return readinessOf({ process, ...Object.fromEntries(parts) });
  }

  #ask(name: string, check: Checks[string]): Promise<PartReadiness> {
    let asked = this.#asked.get(name);
    if (asked === undefined) {
      asked = answerOf(check).finally(() => this.#asked.delete(name));
      this.#asked.set(name, asked);
    }
    return this.#inTime(asked);
  }

  #inTime(asked: Promise<PartReadiness>): Promise<PartReadiness> {
    return new Promise((resolve) => {
      const late = notReady(`It has not answered within ${READINESS_WITHIN_MS} ms.`);
      const takeBack = this.clock.after(READINESS_WITHIN_MS, () => resolve(late));
      void asked.then((part) => {
        takeBack();
        resolve(part);
      });
    });
  }

  state(): Partial<NodeState> {
    return Object.assign({}, ...this.#parts.map(({ state }) => state?.())) as Partial<NodeState>;
  }

  versions(): Partial<NodeVersions> {
    return Object.assign({}, ...this.#parts.map(({ versions }) => versions?.())) as Partial<NodeVersions>;
  }
}

// A reason for the casts: `Object.assign` forgets what it is given, and every part has these types.
type Checks = Readonly<Record<string, () => PartReadiness | Promise<PartReadiness>>>;

/** A check that fails says no less than one that says no. */
const answerOf = async (check: Checks[string]): Promise<PartReadiness> => {
  try {
    return await check();
  } catch (error) {
    return notReady(error instanceof Error ? error.message : String(error));
  }
};
