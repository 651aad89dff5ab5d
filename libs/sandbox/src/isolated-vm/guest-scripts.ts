// Functions of this file run inside an isolate: see guest-lock.ts.
import type { GuestJson } from './guest-json.js';
import type { GuestWords } from './guest-words.js';

/** Evaluates one script: what it answers is described at `GuestApi`. */
export type GuestScripts = (source: string, names: string, maxChars: number) => string;

/** Compiled sources; the oldest makes room. Nothing that users write gets hold of it. */
export const compiledSources = <Made>(compile: (source: string) => Made): ((source: string) => Made) => {
  const COMPILED_MAX = 256;
  const known = new Map<string, Made>();
  return (source) => {
    const before = known.get(source);
    if (before !== undefined) return before;
    const made = compile(source);
    if (known.size >= COMPILED_MAX) known.delete(known.keys().next().value!);
    known.set(source, made);
    return made;
  };
};

/** An answer for what was thrown: memory that the engine did not get is told by its own words. */
export const failedAnswer = (thrown: unknown, words: string): string =>
  thrown instanceof RangeError && thrown.message === 'Array buffer allocation failed' ? 'm' : `f${words}`;

export const guestScripts = ({ read, write, whyNot }: GuestJson, words: GuestWords): GuestScripts => {
  const Compile = Function;
  // Strict: such a function shows nobody its caller, nor itself. `LINES_BEFORE` counts what stands before the source.
  const factoryOf = compiledSources(
    (source) => new Compile(`"use strict"; return (\n${source}\n)\n//# sourceURL=script.js`) as () => unknown,
  );

  const valueAnswer = (value: unknown, maxChars: number): string => {
    if (typeof value === 'function' || typeof value === 'symbol') return `ithe result is a ${typeof value}`;
    try {
      const text = write(value, () => false);
      return text.length > maxChars ? 'l' : `v${text}`;
    } catch (thrown) {
      const why = whyNot(thrown) ?? words.ofScript(thrown);
      return failedAnswer(thrown, '') === 'm' ? 'm' : `i${why}`;
    }
  };

  return (source, names, maxChars) => {
    let factory: () => unknown;
    try {
      factory = factoryOf(source);
    } catch (thrown) {
      return thrown instanceof SyntaxError
        ? `s${words.ofScript(thrown)}`
        : failedAnswer(thrown, words.ofScript(thrown));
    }
    let value: unknown;
    try {
      // A fresh function each time: one that is called again would keep what it closes over.
      const script = factory();
      if (typeof script !== 'function') return `fthe script is ${typeof script}, not a function`;
      value = (script as (names: unknown) => unknown)(read(names));
    } catch (thrown) {
      return failedAnswer(thrown, words.ofScript(thrown));
    }
    return valueAnswer(value, maxChars);
  };
};
