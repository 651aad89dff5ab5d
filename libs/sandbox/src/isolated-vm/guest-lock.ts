// Functions of this file run inside an isolate, which knows nothing of this module: their text is compiled there (realm.ts). So they
// name nothing but their arguments, what the language has, and each other.

/** What the realm gets its time and chance from. */
export type RealmSources = { readonly nowMs: () => number; readonly random: () => number };

/** In V8, not yet in the compiler's library. */
type IteratorsOfEngine = {
  from(iterator: object): object;
  readonly prototype: { map(this: object, of: (each: unknown) => unknown): object };
};

/**
 * Makes a realm that nothing can be left in: what is not needed for computing is taken out, the clock and chance are those given,
 * and every object that a script can reach without having made it is frozen.
 */
export const lockRealm = (sources: RealmSources): void => {
  takeOut();
  giveDate(sources);
  giveSources(sources);
  freezeAll([globalThis, ...madeBySyntax(), ...makeShadowable()]);
};

/** By what is kept, not by what goes: a later engine brings globals that nobody here has thought about. */
export const takeOut = (): void => {
  const kept =
    ' Object Function Array Number parseFloat parseInt Infinity NaN undefined Boolean String Symbol Date Promise RegExp Error' +
    ' AggregateError EvalError RangeError ReferenceError SyntaxError TypeError URIError globalThis JSON Math Intl ArrayBuffer' +
    ' Uint8Array Int8Array Uint16Array Int16Array Uint32Array Int32Array BigUint64Array BigInt64Array Uint8ClampedArray' +
    ' Float16Array Float32Array Float64Array DataView Map BigInt Set Iterator WeakMap WeakSet Proxy Reflect decodeURI' +
    ' decodeURIComponent encodeURI encodeURIComponent escape unescape eval isFinite isNaN SuppressedError DisposableStack' +
    ' AsyncDisposableStack ';
  for (const name of Reflect.ownKeys(globalThis)) {
    if (!kept.includes(` ${String(name)} `)) Reflect.deleteProperty(globalThis, name);
  }
  // What the last match was: the engine keeps it behind these, out of the reach of a freeze.
  for (const name of Reflect.ownKeys(RegExp)) {
    if (typeof name === 'string' && !['prototype', 'length', 'name'].includes(name))
      Reflect.deleteProperty(RegExp, name);
  }
};

export const giveDate = ({ nowMs }: RealmSources): void => {
  const RealDate = Date;
  const GivenDate = function Date(...args: unknown[]): unknown {
    if (new.target === undefined) return new RealDate(nowMs()).toString();
    return Reflect.construct(RealDate, args.length === 0 ? [nowMs()] : args, new.target);
  };
  const statics = { now: () => nowMs(), parse: RealDate.parse, UTC: RealDate.UTC };
  for (const [name, value] of Object.entries(statics)) Object.defineProperty(GivenDate, name, { value });
  Object.defineProperty(GivenDate, 'length', { value: 7 });
  GivenDate.prototype = RealDate.prototype;
  // Nobody gets hold of the real one, which knows the time.
  Object.defineProperty(RealDate.prototype, 'constructor', { value: GivenDate });
  Object.defineProperty(globalThis, 'Date', { value: GivenDate });
};

export const giveSources = ({ nowMs, random }: RealmSources): void => {
  Object.defineProperty(Math, 'random', { value: () => random() });
  // Without an argument they show the time that it is.
  const formats = Intl.DateTimeFormat.prototype;
  const [realFormat, realParts] = ['format', 'formatToParts'].map((name) => {
    const { get, value } = Object.getOwnPropertyDescriptor(formats, name) as { get?: unknown; value?: unknown };
    return (get ?? value) as () => unknown;
  }) as [() => unknown, () => unknown];
  Object.defineProperty(formats, 'format', {
    get(this: unknown) {
      const format = Reflect.apply(realFormat, this, []) as (date: unknown) => unknown;
      return (date?: unknown): unknown => format(date === undefined ? nowMs() : date);
    },
  });
  Object.defineProperty(formats, 'formatToParts', {
    value(this: unknown, date?: unknown): unknown {
      return Reflect.apply(realParts, this, [date === undefined ? nowMs() : date]);
    },
  });
  // JSON has all whole numbers: a BigInt leaves as its digits.
  const { rawJSON } = JSON as unknown as { rawJSON: (text: string) => unknown };
  Object.defineProperty(BigInt.prototype, 'toJSON', {
    value(this: bigint): unknown {
      return rawJSON(BigInt.prototype.toString.call(this));
    },
  });
};

/** What no path leads to from the global object. */
export const madeBySyntax = (): readonly unknown[] => {
  const list: unknown[] = [];
  const { Iterator: iterators } = globalThis as unknown as { Iterator: IteratorsOfEngine };
  const segments = new Intl.Segmenter('en').segment('a');
  const made: readonly object[] = [
    function* () {},
    async function* () {},
    async () => {},
    (function* () {})(),
    (async function* () {})(),
    list[Symbol.iterator](),
    new Map()[Symbol.iterator](),
    new Set()[Symbol.iterator](),
    ''[Symbol.iterator](),
    'a'.matchAll(/a/g),
    iterators.prototype.map.call(list.values(), (each) => each),
    iterators.from({ next: () => ({ done: true, value: undefined }) }),
    segments,
    segments[Symbol.iterator](),
  ];
  // Its getter, where that is a function: one for all errors.
  const stack = Object.getOwnPropertyDescriptor(new Error('any'), 'stack') ?? {};
  return [...made.map((each): unknown => Object.getPrototypeOf(each)), ...Object.values(stack)];
};

/**
 * JavaScript refuses to assign to what is frozen through an object that inherits from it, as in `error.name = 'Mine'`. As a getter
 * with a setter it can be assigned to. Not so for lists, promises and regular expressions, whose quick ways in the engine end at the
 * first change of their prototypes' members. Gives back what the getters now hide.
 */
export const makeShadowable = (): readonly unknown[] => {
  const hidden: unknown[] = [];
  const errors = [AggregateError, EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError];
  for (const { prototype: owner } of [Object, Error, ...errors]) {
    for (const key of Reflect.ownKeys(owner)) {
      const { value, writable } = Object.getOwnPropertyDescriptor(owner, key)! as {
        value?: unknown;
        writable?: boolean;
      };
      if (writable !== true) continue;
      hidden.push(value);
      Object.defineProperty(owner, key, {
        get: () => value,
        set(this: object, given: unknown) {
          if (this === owner || Object.getOwnPropertyDescriptor(this, key)?.writable === false) {
            throw new TypeError(`Cannot assign to read only property '${String(key)}'`);
          }
          Object.defineProperty(this, key, { value: given, writable: true, enumerable: true, configurable: true });
        },
      });
    }
  }
  return hidden;
};

/** Freezes all that these lead to by members and prototypes. */
export const freezeAll = (roots: readonly unknown[]): void => {
  const found = [...roots];
  const seen = new Set<unknown>();
  while (found.length > 0) {
    const object = found.pop();
    if ((typeof object !== 'object' || object === null) && typeof object !== 'function') continue;
    if (seen.has(object)) continue;
    seen.add(object);
    found.push(Object.getPrototypeOf(object));
    for (const key of Reflect.ownKeys(object)) {
      found.push(...Object.values(Object.getOwnPropertyDescriptor(object, key)!));
    }
    Object.freeze(object);
  }
};
