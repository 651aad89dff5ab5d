import { spawn, type ChildProcess } from 'node:child_process';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';

import { httpCall } from './http-client.js';
import { pause } from './pause.js';

export type ChildOptions = {
  /** What runs the entry; Node when left out. */
  readonly command?: string;
  readonly args?: readonly string[];
  /** Added to this process's environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** For Node itself: `--cpu-prof` and the like. */
  readonly execArgv?: readonly string[];
  readonly cwd?: string;
  readonly ipc?: boolean;
};

const living = new Set<ChildProcess>();
// A test that dies of a fault must not leave servers behind.
process.once('exit', () => {
  for (const child of living) child.kill('SIGKILL');
});

/** A child process of a test: what it printed last, and its two ways to end. */
export class Child {
  readonly process: ChildProcess;
  readonly #name: string;
  readonly #exited: Promise<void>;
  #output = '';

  constructor(name: string, entry: string, options: ChildOptions = {}) {
    this.#name = name;
    this.process = spawn(
      options.command ?? process.execPath,
      [...(options.execArgv ?? []), entry, ...(options.args ?? [])],
      {
        cwd: options.cwd,
        env: { ...process.env, ...options.env },
        stdio: ['ignore', 'pipe', 'pipe', ...(options.ipc === true ? (['ipc'] as const) : [])],
      },
    );
    const keep = (chunk: Buffer): void => {
      this.#output = (this.#output + chunk.toString()).slice(-OUTPUT_CHARS_KEPT);
    };
    this.process.stdout?.on('data', keep);
    this.process.stderr?.on('data', keep);
    living.add(this.process);
    this.#exited = new Promise((resolve) => {
      this.process.once('close', () => {
        living.delete(this.process);
        resolve();
      });
    });
  }

  get pid(): number {
    const { pid } = this.process;
    if (pid === undefined) throw new Error(`${this.#name} could not be started`);
    return pid;
  }

  /** The last of what it printed, both channels. */
  get output(): string {
    return this.#output;
  }

  /** The exit code, the signal's name, or null while it runs. */
  get ended(): number | string | null {
    return this.process.exitCode ?? this.process.signalCode;
  }

  /** Waits for a line of output that matches, and gives the match. */
  async printed(pattern: RegExp, timeoutMs = START_TIMEOUT_MS): Promise<RegExpExecArray> {
    const untilMs = performance.now() + timeoutMs;
    for (;;) {
      const match = pattern.exec(this.#output);
      if (match !== null) return match;
      this.#refuseEnded();
      if (performance.now() > untilMs)
        throw new Error(`${this.#name} did not print ${String(pattern)} in ${timeoutMs} ms:\n${this.#output}`);
      await pause(10);
    }
  }

  /** Waits until GET of the URL answers 200. Calls with the time that the child took from now. */
  async ready(url: string, timeoutMs = START_TIMEOUT_MS): Promise<void> {
    const untilMs = performance.now() + timeoutMs;
    for (;;) {
      const answer = await httpCall('GET', url, { timeoutMs: 1000 }).catch(() => null);
      if (answer?.status === 200) return;
      this.#refuseEnded();
      if (performance.now() > untilMs)
        throw new Error(`${this.#name} was not ready at ${url} in ${timeoutMs} ms:\n${this.#output}`);
      await pause(10);
    }
  }

  async exited(): Promise<number | string | null> {
    await this.#exited;
    return this.ended;
  }

  /** Asks it to stop; kills it when it does not. Gives the exit code or the signal. Harmless when it has ended. */
  async stop(graceMs = STOP_GRACE_MS): Promise<number | string | null> {
    if (this.ended === null) this.process.kill('SIGTERM');
    const killer = setTimeout(() => this.process.kill('SIGKILL'), graceMs);
    await this.#exited;
    clearTimeout(killer);
    return this.ended;
  }

  /** SIGKILL, now. */
  kill(): void {
    this.process.kill('SIGKILL');
  }

  #refuseEnded(): void {
    if (this.ended === null) return;
    throw new Error(`${this.#name} ended (${this.ended}) before it was ready:\n${this.#output}`);
  }
}

const OUTPUT_CHARS_KEPT = 20_000;
const START_TIMEOUT_MS = 30_000;
const STOP_GRACE_MS = 15_000;

/** A file of the build, by its path below `dist/`. */
export const built = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url));

/**
 * A free port below the range from which the system takes the ports of outgoing connections: a server that is
 * restarted on it must not find it taken by a client, nor a client that connects meanwhile find itself.
 */
export const freePort = async (): Promise<number> => {
  for (let tries = 0; tries < 200; tries++) {
    const port = 10_000 + ((process.pid * 37 + portsAsked++ * 101) % 22_000);
    if (await isFree(port)) return port;
  }
  throw new Error('no free port found between 10000 and 32000');
};

let portsAsked = 0;

const isFree = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(false));
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)));
  });
