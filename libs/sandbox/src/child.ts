import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, sep } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { AnswerReader, type Answer } from './frames.js';

const MAIN = fileURLToPath(new URL('./isolated-vm/child-main.js', import.meta.url));
const LIBRARIES = dirname(dirname(dirname(MAIN)));
const PACKAGES = dirname(dirname(createRequire(import.meta.url).resolve('jsonata')));
/** Asked for by the loader of the native module, to know which libc there is. */
const RELEASE = '/etc/alpine-release';

/**
 * No files but our own and no processes, by Node.js itself; no network, since an isolate has nothing to reach it by. isolated-vm
 * asks for a process that was not started from the snapshot of Node.js.
 */
const FLAGS = [
  '--no-node-snapshot',
  '--permission',
  '--allow-addons',
  ...[`${LIBRARIES}${sep}*`, `${PACKAGES}${sep}*`, RELEASE].map((path) => `--allow-fs-read=${path}`),
  '--disable-warning=SecurityWarning',
];
const STDERR_CHARS_KEPT = 2_000;
const PAGE_BYTES = 4_096;

export type ChildEvents = {
  readonly answer: (answer: Answer) => void;
  /** Once. `signal`: by which one, when it was one. */
  readonly ended: (signal: NodeJS.Signals | null, lastWords: string) => void;
};

/** One child process: what is written to it is read by `isolated-vm/child-main.ts`. */
export class Child {
  readonly #process: ChildProcessByStdio<Writable, Readable, Readable>;
  #lastWords = '';

  constructor(memoryMb: number, events: ChildEvents) {
    this.#process = spawn(process.execPath, [...FLAGS, MAIN, String(memoryMb)], {
      env: {},
      cwd: LIBRARIES,
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    const reader = new AnswerReader();
    this.#process.stdout.on('data', (bytes: Buffer) => {
      reader.add(bytes);
      for (let answer = reader.next(); answer !== null; answer = reader.next()) events.answer(answer);
    });
    this.#process.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#lastWords = (this.#lastWords + text).slice(-STDERR_CHARS_KEPT);
    });
    // A pipe to a process that has ended; its end is told below.
    this.#process.stdin.on('error', () => undefined);
    let isOver = false;
    const over = (signal: NodeJS.Signals | null): void => {
      if (isOver) return;
      isOver = true;
      events.ended(signal, this.#lastWords);
    };
    this.#process.once('error', (fault) => {
      this.#lastWords += fault.message;
      over(null);
    });
    // Not at its exit: what it wrote before may still be on its way.
    this.#process.once('close', (_code, signal) => over(signal));
  }

  write(frames: readonly Buffer[]): void {
    this.#process.stdin.write(frames.length === 1 ? frames[0] : Buffer.concat(frames));
  }

  /** At once, whatever it does. */
  kill(): void {
    this.#process.kill('SIGKILL');
  }

  /** By itself, when it has done what was written. */
  end(): void {
    this.#process.stdin.end();
  }

  /** Memory that it has now; `null` where the system does not say, and only the isolate's own limit holds. */
  residentBytes(): number | null {
    try {
      return Number(readFileSync(`/proc/${this.#process.pid}/statm`, 'latin1').split(' ')[1]) * PAGE_BYTES;
    } catch {
      return null;
    }
  }
}
