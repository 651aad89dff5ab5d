import { Injectable } from '@nestjs/common';
import { readinessOf, type MetricSources, type NodeState, type NodeVersions, type Readiness } from '#runtime';

type PartReadiness = Readiness['parts'][string];

/** What one part of a process tells about itself. */
export type PartReport = {
  readonly readiness?: Readonly<Record<string, () => PartReadiness | Promise<PartReadiness>>>;
  readonly metrics?: MetricSources;
  readonly state?: () => Partial<NodeState>;
  readonly versions?: () => Partial<NodeVersions>;
};

export const READY: PartReadiness = { status: 'ready', detail: null };
export const notReady = (detail: string): PartReadiness => ({ status: 'not-ready', detail });

/** What all parts of the process tell: whether it is ready, what it counts, and what stands in `/v1/node`. */
@Injectable()
export class ProcessReport {
  readonly #parts: PartReport[] = [];
  /** Of all parts; those that are added later come in. */
  readonly metrics: MetricSources = {};
  #leaving = false;

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
    const parts = await Promise.all(checks.map(async ([name, check]) => [name, await check()] as const));
    const process = this.#leaving ? notReady('The process is stopping.') : READY;
    return readinessOf({ process, ...Object.fromEntries(parts) });
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
