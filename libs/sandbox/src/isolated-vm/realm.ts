import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import ivm from 'isolated-vm';
import type { AnswerKind, RequestHead } from '../frames.js';
import { SANDBOX_ERRORS } from '../sandbox.js';
import { guestText, type GuestApi } from './guest.js';

/** What came of an evaluation: the kind of the answer, and its text. */
export type Outcome = { readonly kind: Extract<AnswerKind, 'value' | 'error'>; readonly text: string };

const errorOutcome = (name: string, cause: string): Outcome => ({
  kind: 'error',
  text: JSON.stringify({ name, cause }),
});

const jsonataText = (): string => readFileSync(createRequire(import.meta.url).resolve('jsonata'), 'utf8');
const WORDS_CHARS_MAX = 1_000;
/** A timer may come so much early. */
const TIMER_MS = 2;
const BUILT_IN = /\bstaticFrame\.bind\('(\w+)'/g;

type Guest = { readonly [Name in keyof GuestApi]: ivm.Reference<GuestApi[Name]> };

/**
 * An isolate with one realm, in which nothing can be left: so it serves one evaluation after the other. One that was stopped in the
 * middle is not used again.
 */
export class Realm {
  static #guestText: string | null = null;
  static #jsonataText: string | null = null;

  readonly #isolate: ivm.Isolate;
  readonly #guest: Guest;
  #isClean = true;

  constructor(memoryMb: number) {
    const jsonata = (Realm.#jsonataText ??= jsonataText());
    const text = (Realm.#guestText ??= guestText([...jsonata.matchAll(BUILT_IN)].map(([, name]) => name).join(' ')));
    // A V8 that is past saving must not go on: the process is only good for its end, which the service notices.
    this.#isolate = new ivm.Isolate({ memoryLimit: memoryMb, onCatastrophicError: () => process.abort() });
    const context = this.#isolate.createContextSync();
    const loader = this.#isolate.compileScriptSync(`(function (module, exports, window) {${jsonata}\n})`);
    const api = context.evalClosureSync(
      text,
      [(loader.runSync(context, { reference: true }) as ivm.Reference).derefInto()],
      {
        result: { reference: true },
      },
    ) as ivm.Reference<GuestApi>;
    const part = <Name extends keyof GuestApi>(name: Name): ivm.Reference<GuestApi[Name]> =>
      api.getSync(name, { reference: true });
    this.#guest = { begin: part('begin'), take: part('take'), isReady: part('isReady') };
    if (!this.#guest.isReady.applySync(undefined, []))
      throw new Error('the functions of JSONata are not those expected');
  }

  /** Whether nothing was stopped in the middle. */
  get isUsable(): boolean {
    return this.#isClean && !this.#isolate.isDisposed;
  }

  dispose(): void {
    if (!this.#isolate.isDisposed) this.#isolate.dispose();
  }

  evaluate(head: RequestHead, names: string, nowMs: () => number): Outcome {
    const { language, source, instantMs, seed, limits } = head;
    const endsMs = nowMs() + limits.ms;
    let answer = 'p';
    try {
      const args = [language, source, names, instantMs, seed, limits.resultMaxBytes] as const;
      answer = this.#guest.begin.applySync(undefined, [...args], { timeout: limits.ms });
    } catch (fault) {
      const stopped = this.#stopped(head, nowMs() >= endsMs - TIMER_MS);
      if (stopped !== null) return stopped;
      // A promise was rejected that nobody looks at: what else it left to be done may not have been.
      this.#isClean = false;
      if (language === 'js') return errorOutcome(SANDBOX_ERRORS.scriptFailed, `in a promise: ${wordsOf(fault)}`);
    }
    if (answer !== 'p') return this.#outcomeOf(head, answer);
    try {
      answer = this.#guest.take.applySync(undefined, [], { timeout: limits.ms });
    } catch {
      return (
        this.#stopped(head, true) ?? errorOutcome(SANDBOX_ERRORS.expressionFailed, 'its result could not be taken')
      );
    }
    return this.#outcomeOf(head, answer);
  }

  /** What stopped it in the middle: its memory, or the time. */
  #stopped({ limits }: RequestHead, isLate: boolean): Outcome | null {
    if (this.#isolate.isDisposed) return errorOutcome(SANDBOX_ERRORS.memory, `it took more than ${limits.memoryMb} MB`);
    if (!isLate) return null;
    this.#isClean = false;
    return errorOutcome(SANDBOX_ERRORS.timeout, `it was not done after ${limits.ms} ms`);
  }

  #outcomeOf({ language, source, limits }: RequestHead, answer: string): Outcome {
    const text = answer.slice(1);
    const failed = language === 'js' ? SANDBOX_ERRORS.scriptFailed : SANDBOX_ERRORS.expressionFailed;
    const invalid = language === 'js' ? SANDBOX_ERRORS.resultInvalid : SANDBOX_ERRORS.expressionFailed;
    switch (answer[0]) {
      case 'v':
        if (Buffer.byteLength(text) > limits.resultMaxBytes) return tooLarge(limits.resultMaxBytes);
        return { kind: 'value', text };
      case 'l':
        return tooLarge(limits.resultMaxBytes);
      case 'i':
        return errorOutcome(invalid, text);
      case 'm':
        return errorOutcome(SANDBOX_ERRORS.memory, `it took more than ${limits.memoryMb} MB`);
      case 's':
        return errorOutcome(failed, `${text}${this.#placeOfSyntaxError(source)}`);
      case 'p':
        // Whatever it waits for, nothing is left that could bring it.
        return errorOutcome(failed, 'it waits for something that never comes');
      default:
        return errorOutcome(failed, text);
    }
  }

  /** `Function` does not say where; compiling the text alone does. Nothing of it is run. */
  #placeOfSyntaxError(source: string): string {
    try {
      this.#isolate.compileScriptSync(`"use strict"; (\n${source}\n)`, { filename: 'script.js' });
    } catch (fault) {
      const [, line, column] = /\[script\.js:(\d+):(\d+)\]/.exec(String(fault)) ?? [];
      if (line !== undefined) return ` (${Number(line) - 1}:${column})`;
    }
    return '';
  }
}

const tooLarge = (maxBytes: number): Outcome =>
  errorOutcome(SANDBOX_ERRORS.resultTooLarge, `The result takes more than ${maxBytes} bytes`);

const wordsOf = (fault: unknown): string =>
  fault instanceof Error ? `${fault.name}: ${fault.message}`.slice(0, WORDS_CHARS_MAX) : 'it was rejected';
