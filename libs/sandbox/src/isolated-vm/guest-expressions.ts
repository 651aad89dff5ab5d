// Functions of this file run inside an isolate: see guest-lock.ts.
import type { GuestJson } from './guest-json.js';
import { freezeAll } from './guest-lock.js';
import { compiledSources, failedAnswer } from './guest-scripts.js';
import type { GuestWords } from './guest-words.js';

type Expression = {
  evaluate: (input: undefined, bindings: unknown) => Promise<unknown>;
  assign: (name: string, value: unknown) => void;
  ast: () => unknown;
};
export type Jsonata = (source: string) => Expression;
type Callable = { readonly implementation: (this: unknown, ...args: unknown[]) => unknown };

export type GuestExpressions = {
  /** Evaluates until it has to wait; what came of it is given when all has been done that was waiting. */
  begin: (source: string, names: string, maxChars: number) => void;
  /** What it answers is described at `GuestApi`. */
  take: () => string;
};

/** What all expressions share of JSONata, made so that they can leave nothing in it. */
export type JsonataStatics = {
  /** In place of those that each expression brings, and with them the instant of its last evaluation. */
  readonly ofClock: Record<string, object>;
  isReady: boolean;
};

/**
 * The library's functions are values that an expression can reach. It writes on them where they were called last: here that goes
 * nowhere, and what an error says of it is taken from the expression.
 */
export const tameJsonata = (jsonata: Jsonata, builtIns: readonly string[], nowMs: () => number): JsonataStatics => {
  const statics: JsonataStatics = { ofClock: {}, isReady: false };
  const tame = (value: object): object => {
    for (const name of ['token', 'position']) {
      Object.defineProperty(value, name, { get: () => undefined, set: () => {} });
    }
    freezeAll([value]);
    return value;
  };
  const valueOf = (source: string): Promise<unknown> => jsonata(source).evaluate(undefined, {});
  const make = async (): Promise<void> => {
    const functions = (await valueOf(`[${builtIns.map((name) => `$${name}`).join()}]`)) as object[];
    if (functions.length !== builtIns.length) return;
    functions.forEach(tame);
    const fromMillis = functions[builtIns.indexOf('fromMillis')] as Callable;
    const [now, millis] = (await valueOf('[$now, $millis]')) as [object, object];
    statics.ofClock['millis'] = tame({ ...millis, implementation: () => nowMs() });
    statics.ofClock['now'] = tame({
      ...now,
      implementation(this: unknown, picture: unknown, timezone: unknown) {
        return fromMillis.implementation.call(this, nowMs(), picture, timezone);
      },
    });
    const { environment } = (await valueOf('function() { 1 }')) as { environment: { global: unknown } };
    freezeAll([environment.global]);
    statics.isReady = true;
  };
  void make();
  return statics;
};

export const guestExpressions = (
  jsonata: Jsonata,
  { ofClock }: JsonataStatics,
  { read, write, whyNot }: GuestJson,
  words: GuestWords,
): GuestExpressions => {
  const expressionOf = compiledSources((source) => {
    const expression = jsonata(source);
    for (const name in ofClock) expression.assign(name, ofClock[name]);
    // A function that an expression makes is a value with the tree below it, which the next evaluation walks again.
    freezeAll([expression.ast()]);
    return expression;
  });
  const isFunction = (value: unknown): boolean => {
    if (typeof value !== 'object' || value === null) return typeof value === 'function';
    const { _jsonata_function: builtIn, _jsonata_lambda: lambda } = value as Record<string, unknown>;
    return builtIn === true || lambda === true;
  };
  const valueAnswer = (value: unknown, maxChars: number): string => {
    if (isFunction(value)) return 'ithe result is a function';
    const text = write(value, isFunction);
    return text.length > maxChars ? 'l' : `v${text}`;
  };

  let outcome = 'p';
  return {
    begin: (source, names, maxChars) => {
      outcome = 'p';
      const fail = (thrown: unknown): void => {
        outcome = failedAnswer(thrown, whyNot(thrown) ?? words.ofExpression(thrown, source));
      };
      try {
        const result = expressionOf(source).evaluate(undefined, read(names));
        result.then((value) => (outcome = valueAnswer(value, maxChars))).catch(fail);
      } catch (thrown) {
        fail(thrown);
      }
    },
    take: () => outcome,
  };
};
