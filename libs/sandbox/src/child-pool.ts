import assert from 'node:assert/strict';
import { parseStrictJson, type Clock, type Log } from '#runtime';
import type { ErrorInfo } from '#domain';
import { Child } from './child.js';
import { FairQueue } from './fair-queue.js';
import { requestFrame, type Answer } from './frames.js';
import { KnownTimes } from './known-times.js';
import { SANDBOX_ERRORS, Sandbox, type SandboxLanguage, type SandboxRequest, type SandboxResult } from './sandbox.js';

export type ChildPoolOptions = {
  /** Most children that evaluate at one time; one more stands by. */
  readonly children: number;
  /** Of each isolate; a request with another limit waits for an isolate to be made. */
  readonly memoryMb: number;
  /** After so many evaluations a child is replaced. */
  readonly recycleAfter?: number;
  /** Most evaluations of one namespace that wait here; the others wait at who asks. */
  readonly placesOfNamespace?: number;
};

const RECYCLE_AFTER = 100_000;
const PLACES_OF_NAMESPACE = 1_000;
/** What an isolate has to stop by itself; then the process is killed. */
const GRACE_MS = 150;
const LOOK_MS = 25;
/** From its start to its first word. */
const START_MS = 15_000;
/** After a child that could not start, before the next. */
const RESTART_MS = 1_000;
/** Beside what its isolates may have: Node.js itself, and the isolates of the namespaces before. */
const RESIDENT_BASE_BYTES = 192 * 2 ** 20;
/** A limit of an isolate is a guideline to V8, which may take two of it. */
const RESIDENT_TIMES_LIMIT = 2;
/** What is sent ahead to a child is done within about this time. */
const AHEAD_US = 1_000;
/** A process that V8 or the system ended for what it did, and not for what somebody else wanted. */
const SIGNALS_OF_ITS_OWN: ReadonlySet<NodeJS.Signals | null> = new Set([
  'SIGABRT',
  'SIGTRAP',
  'SIGILL',
  'SIGSEGV',
  'SIGBUS',
]);

type Asked = {
  readonly id: number;
  readonly request: SandboxRequest;
  readonly done: (result: SandboxResult) => void;
  /** How many children have ended under it for no known reason. */
  ends: number;
};

/** A child, and what was sent to it and is not answered: the first is under way, the others wait in its pipe. */
type Seat = {
  readonly child: Child;
  phase: 'starting' | 'ready' | 'leaving' | 'over';
  readonly sent: Asked[];
  /** Written with the next turn of the loop. */
  frames: Buffer[];
  /** Of the evaluation under way, or of the start. */
  sinceMs: number;
  served: number;
};

/** What an evaluation of the language ends with when nothing better is known. */
const failedOf = (language: SandboxLanguage): string =>
  language === 'js' ? SANDBOX_ERRORS.scriptFailed : SANDBOX_ERRORS.expressionFailed;

/**
 * Evaluates in child processes, one evaluation at a time in each. The first is started by the first evaluation. A watch over time and
 * memory kills a child that its isolate cannot stop: that fails the evaluation under way, by name, and no other; the one that stands
 * by takes the place.
 */
export class ChildPool extends Sandbox {
  readonly #queue: FairQueue<Asked>;
  readonly #times = new KnownTimes();
  readonly #seats = new Set<Seat>();
  #phase: 'open' | 'stopped' = 'open';
  #nextId = 1;
  #isPumping = false;
  #cancelWatch: (() => void) | null = null;
  #restartAtMs = 0;
  #onAllOver: (() => void) | null = null;

  constructor(
    private readonly clock: Clock,
    private readonly log: Log,
    private readonly options: ChildPoolOptions,
  ) {
    super();
    this.#queue = new FairQueue(options.placesOfNamespace ?? PLACES_OF_NAMESPACE);
  }

  evaluate(request: SandboxRequest, done: (result: SandboxResult) => void): boolean {
    if (this.#phase === 'stopped') return true;
    const isTaken = this.#queue.add(request.namespace, { id: this.#nextId++, request, done, ends: 0 });
    if (isTaken) this.#pump();
    return isTaken;
  }

  whenRoom(namespace: string, call: () => void): void {
    if (this.#phase === 'open') this.#queue.whenRoom(namespace, call);
  }

  async stop(): Promise<void> {
    this.#phase = 'stopped';
    this.#cancelWatch?.();
    this.#cancelWatch = null;
    for (const seat of this.#seats) seat.child.kill();
    if (this.#seats.size > 0) await new Promise<void>((resolve) => (this.#onAllOver = resolve));
  }

  /** How many processes there are, for tests and metrics. */
  get processes(): number {
    return this.#seats.size;
  }

  /** Hands out what waits, while there is a child for it. */
  #pump(): void {
    if (this.#isPumping || this.#phase === 'stopped') return;
    this.#isPumping = true;
    const written = new Set<Seat>();
    for (let next = this.#queue.peek(); next !== undefined; next = this.#queue.peek()) {
      const seat = this.#seatFor();
      if (seat === null) break;
      const asked = this.#queue.take();
      assert.ok(asked !== undefined, 'what was looked at is there');
      if (seat.sent.length === 0) seat.sinceMs = this.clock.monotonicMs();
      seat.sent.push(asked);
      seat.frames.push(requestFrame(asked.id, asked.request));
      written.add(seat);
    }
    for (const seat of written) {
      seat.child.write(seat.frames);
      seat.frames = [];
    }
    this.#isPumping = false;
    this.#fill();
    this.#watch();
  }

  /** A child that does nothing, or one that will soon be done with what it has. */
  #seatFor(): Seat | null {
    let best: Seat | null = null;
    let bestUs = AHEAD_US;
    let working = 0;
    for (const seat of this.#seats) {
      if (seat.phase !== 'ready') continue;
      if (seat.sent.length === 0 && working >= this.options.children) continue;
      working += 1;
      const us = this.#aheadUs(seat);
      if (us < bestUs) [best, bestUs] = [seat, us];
    }
    return best;
  }

  /** How long a child has to do, by what the sources took before. Behind one that is not known nothing is sent. */
  #aheadUs(seat: Seat): number {
    return seat.sent.reduce((sum, { request }) => sum + this.#times.of(request.source), 0);
  }

  /** As many children as have something to do, and one that stands by. */
  #fill(): void {
    if (this.#phase === 'stopped' || this.clock.monotonicMs() < this.#restartAtMs) return;
    const seats = [...this.#seats].filter(({ phase }) => phase === 'starting' || phase === 'ready');
    if (seats.some(({ phase }) => phase === 'starting')) return;
    const busy = seats.filter(({ sent }) => sent.length > 0).length;
    const waiting = this.#queue.peek() === undefined ? 0 : 1;
    if (seats.length < Math.min(this.options.children, busy + waiting) + 1) this.#start();
  }

  #start(): void {
    const child = new Child(this.options.memoryMb, {
      answer: (answer) => this.#answered(seat, answer),
      ended: (signal, lastWords) => this.#ended(seat, signal, lastWords),
    });
    const seat: Seat = { child, phase: 'starting', sent: [], frames: [], sinceMs: this.clock.monotonicMs(), served: 0 };
    this.#seats.add(seat);
  }

  #answered(seat: Seat, answer: Answer): void {
    if (seat.phase === 'over' || this.#phase === 'stopped') return;
    if (answer.kind === 'ready') {
      assert.equal(seat.phase, 'starting');
      seat.phase = 'ready';
      return this.#pump();
    }
    seat.sinceMs = this.clock.monotonicMs();
    if (answer.kind === 'begun') return;
    const asked = seat.sent.shift();
    if (asked === undefined || asked.id !== answer.id) return this.#discard(seat);
    this.#times.learn(asked.request.source, answer.us);
    seat.served += 1;
    if (seat.served >= (this.options.recycleAfter ?? RECYCLE_AFTER)) this.#leave(seat);
    asked.done(resultOf(asked.request, answer));
    this.#pump();
  }

  /** It does what it was sent, and ends. */
  #leave(seat: Seat): void {
    if (seat.phase !== 'ready') return;
    seat.phase = 'leaving';
    seat.child.end();
  }

  #ended(seat: Seat, signal: NodeJS.Signals | null, lastWords: string): void {
    const wasStarting = seat.phase === 'starting';
    this.#seats.delete(seat);
    if (this.#phase === 'stopped') {
      if (this.#seats.size === 0) this.#onAllOver?.();
      return;
    }
    if (wasStarting) {
      this.log.error('a process for expressions and scripts could not start; those that need one wait', { lastWords });
      this.#restartAtMs = this.clock.monotonicMs() + RESTART_MS;
      this.clock.after(RESTART_MS, () => this.#fill());
    } else if (seat.phase !== 'over') {
      this.#lose(seat, (asked) => {
        if (SIGNALS_OF_ITS_OWN.has(signal)) return memoryError(asked);
        // Somebody ended the process. The evaluation may have been the reason, or not: it is made once more.
        asked.ends += 1;
        return asked.ends === 1 ? null : { name: failedOf(asked.request.language), cause: 'its process ended, twice' };
      });
    }
    this.#pump();
  }

  /** The one under way fails, or is made once more; those behind it have not begun. */
  #lose(seat: Seat, errorOf: (asked: Asked) => ErrorInfo | null): void {
    seat.phase = 'over';
    const [first, ...behind] = seat.sent.splice(0);
    for (const asked of behind.reverse()) this.#queue.putBack(asked.request.namespace, asked);
    if (first === undefined) return;
    const error = errorOf(first);
    if (error === null) this.#queue.putBack(first.request.namespace, first);
    else first.done({ error });
  }

  /** What it says makes no sense: it may say anything by now. */
  #discard(seat: Seat): void {
    this.log.error('a process for expressions and scripts answered what it was not asked; it is replaced');
    this.#kill(seat, ({ request }) => ({
      name: failedOf(request.language),
      cause: 'its process answered something else',
    }));
  }

  #kill(seat: Seat, errorOf: (asked: Asked) => ErrorInfo): void {
    seat.child.kill();
    this.#lose(seat, errorOf);
    this.#pump();
  }

  /** While something is under way or starts, looks at it again and again. */
  #watch(): void {
    const isNeeded = [...this.#seats].some(({ phase, sent }) => phase === 'starting' || sent.length > 0);
    if (!isNeeded || this.#cancelWatch !== null || this.#phase === 'stopped') return;
    this.#cancelWatch = this.clock.after(LOOK_MS, () => {
      // Answers that have come while this process did something else are read first: a turn of the loop lies between.
      setImmediate(() => {
        this.#cancelWatch = null;
        if (this.#phase === 'stopped') return;
        for (const seat of this.#seats) this.#look(seat);
        this.#watch();
      });
    });
  }

  #look(seat: Seat): void {
    const forMs = this.clock.monotonicMs() - seat.sinceMs;
    if (seat.phase === 'starting' && forMs > START_MS) return seat.child.kill();
    const [first] = seat.sent;
    if (seat.phase === 'over' || first === undefined) return;
    const { ms, memoryMb } = first.request.limits;
    if (forMs > ms + GRACE_MS) {
      return this.#kill(seat, () => ({ name: SANDBOX_ERRORS.timeout, cause: `it was not done after ${ms} ms` }));
    }
    const resident = forMs < LOOK_MS ? null : seat.child.residentBytes();
    if (resident !== null && resident > RESIDENT_BASE_BYTES + RESIDENT_TIMES_LIMIT * memoryMb * 2 ** 20) {
      this.#kill(seat, memoryError);
    }
  }
}

const memoryError = ({ request }: Asked): ErrorInfo => ({
  name: SANDBOX_ERRORS.memory,
  cause: `it took more than ${request.limits.memoryMb} MB`,
});

/** A child has run what users wrote: what it says is looked at as what came from outside. */
const resultOf = ({ language, limits }: SandboxRequest, { kind, text }: Answer): SandboxResult => {
  if (kind === 'error') {
    const { name, cause } = JSON.parse(text) as ErrorInfo;
    return { error: { name, cause } };
  }
  const name = language === 'js' ? SANDBOX_ERRORS.resultInvalid : SANDBOX_ERRORS.expressionFailed;
  if (text.length > limits.resultMaxBytes) return { error: { name, cause: 'the result is too long' } };
  const parsed = parseStrictJson(text);
  if (parsed.status === 'parsed') return { value: parsed.text };
  return { error: { name, cause: `the result: ${parsed.fault.detail}` } };
};
