import { afterAll, describe, expect, it } from '@jest/globals';
import { ask, openPool, outcomeOf } from './testing/asking.js';

const pool = openPool({ children: 1 });
afterAll(() => pool.stop());

/** Objects that a script reaches and has not made: what each of them is to be found by. */
const REACHED = [
  'globalThis',
  ...[
    'Object',
    'Function',
    'Array',
    'String',
    'Number',
    'Boolean',
    'Symbol',
    'BigInt',
    'Date',
    'RegExp',
    'Error',
    'Promise',
    'Proxy',
  ],
  ...[
    'Map',
    'Set',
    'WeakMap',
    'Math',
    'JSON',
    'Reflect',
    'Intl',
    'Intl.DateTimeFormat',
    'ArrayBuffer',
    'Uint8Array',
    'Iterator',
    'eval',
  ],
  ...[
    'Object',
    'Function',
    'Array',
    'String',
    'Number',
    'Boolean',
    'Symbol',
    'BigInt',
    'Date',
    'RegExp',
    'Error',
    'TypeError',
    'Promise',
  ]
    .concat(['Map', 'Set', 'WeakMap', 'Iterator', 'Uint8Array', 'Intl.Segmenter'])
    .map((name) => `${name}.prototype`),
  'Math.random',
  'Date.now',
  'Object.getPrototypeOf(globalThis)',
  'Object.getPrototypeOf(Uint8Array)',
  'Object.getPrototypeOf([][Symbol.iterator]())',
  'Object.getPrototypeOf(new Map().entries())',
  'Object.getPrototypeOf("".matchAll(/a/g))',
  'Object.getPrototypeOf([].values().map((x) => x))',
  'Object.getPrototypeOf(function* () {})',
  'Object.getPrototypeOf((function* () {})())',
  'Object.getPrototypeOf(Object.getPrototypeOf((async function* () {})()))',
  'Object.getPrototypeOf(async () => {})',
  '(async () => {}).constructor',
  'Object.getPrototypeOf(new Intl.Segmenter("en").segment("a"))',
  'Object.getOwnPropertyDescriptor(Object.prototype, "toString").get',
  'Object.getOwnPropertyDescriptor(Object.prototype, "toString").set',
  'Object.getOwnPropertyDescriptor(Error.prototype, "name").set',
  'Object.prototype.toString',
  'Object.getOwnPropertyDescriptor(Intl.DateTimeFormat.prototype, "format").get',
  'Intl.DateTimeFormat.prototype.formatToParts',
  'Object.getOwnPropertyDescriptor(Array, Symbol.species).get',
  'Object.getOwnPropertyDescriptor((function () { "use strict"; return arguments })(), "callee").get',
  'Object.getOwnPropertyDescriptor(Function.prototype, "caller").get',
  '(Object.getOwnPropertyDescriptor(new Error(), "stack") ?? {}).get ?? Math',
  '((parts) => parts)`a`',
  '((parts) => parts.raw)`a`',
  'Symbol.for("counter")',
  'BigInt.prototype.toJSON',
] as const;

/** What looks at a counter, and what raises it: of each kind that does not simply write on an object. */
const HIDDEN: readonly (readonly [read: string, write: string])[] = [
  ['globalThis[Symbol.for("n")]', 'globalThis[Symbol.for("n")] = 1'],
  ['Error.stackTraceLimit === 10 ? 0 : 1', 'Error.stackTraceLimit = 3'],
  ['Error.prepareStackTrace ? 1 : 0', 'Error.prepareStackTrace = () => 1'],
  ['RegExp.$1', '/(1)/.exec("1")'],
  ['RegExp.input', 'RegExp.input = "1"'],
  ['Object.prototype.n', 'Object.setPrototypeOf(Object.prototype, { n: 1 })'],
  ['[].n', 'Object.setPrototypeOf(Array.prototype, { n: 1 })'],
  ['Array.prototype.length', 'Array.prototype.push(1)'],
  ['globalThis.n', 'Object.setPrototypeOf(globalThis, { n: 1 })'],
  ['typeof n === "undefined" ? 0 : 1', '(0, eval)("var n = 1")'],
  ['typeof n === "undefined" ? 0 : 1', '(0, eval)("let n = 1")'],
  ['typeof n === "undefined" ? 0 : 1', 'new Function("n = 1")()'],
  ['typeof n === "undefined" ? 0 : 1', '(0, eval)("function n() {}")'],
  ['new Function("return arguments.callee.n")()', 'new Function("arguments.callee.n = 1")()'],
  ['({}).n', 'Object.prototype.__defineGetter__("n", () => 1)'],
  ['Math.max(1) - 1', 'Math.max = () => 2'],
  ['JSON.stringify(1) === "1" ? 0 : 1', 'JSON.stringify = () => "2"'],
  ['[1].map((x) => x)[0] - 1', 'Array.prototype.map = () => [2]'],
  ['Date.now.length', 'Object.defineProperty(Date.now, "length", { value: 1 })'],
  ['globalThis.n', 'Promise.resolve().then(() => { globalThis.n = 1 }).catch(() => 0)'],
  ['globalThis.n', '(async () => { for (;;) { await 0; globalThis.n = 1; break } })().catch(() => 0)'],
  ['[..."a"].length - 1', 'String.prototype[Symbol.iterator] = function* () {}'],
  ['Object.isExtensible(Math) ? 1 : 0', 'Object.preventExtensions(Math)'],
  ['delete Math.abs ? 1 : 0', 'delete Math.abs'],
  ['typeof Math.abs === "function" ? 0 : 1', 'delete Math.abs'],
  ['new Date(0).getHours()', 'Date.prototype.setHours.call(new Date(), 5)'],
];

/** Functions that count in what they have themselves. */
const COUNTING = [
  '(() => { let n = 0; return () => n++ })()',
  '(() => { const f = () => f.n++; f.n = 0; return f })()',
  'function f() { f.n ??= 0; return f.n++ }',
  '(() => { class C { static #n = 0; static next() { return C.#n++ } } return C.next })()',
  '(() => { const known = new WeakMap(); return () => { const n = known.get(Math) ?? 0; known.set(Math, n + 1); return n } })()',
  '(() => { const next = (function* () { for (let n = 0; ; n++) yield n })(); return () => next.next().value })()',
  // A private member can be stamped on what is frozen: by another class each time.
  `() => {
    class Given { constructor(on) { return on } }
    class Stamp extends Given { #n = 1; static read(on) { return #n in on ? on.#n : 0 } }
    const n = Stamp.read(Object.prototype);
    try { new Stamp(Object.prototype) } catch {}
    return n;
  }`,
  '() => { const n = Number(/(\\d)/g.lastIndex); /(\\d)/g.exec("123"); return n }',
  '({ input }) => { const n = input.n ?? 0; input.n = n + 1; return n }',
  '(() => { const parts = ((given) => given)`a`; const known = new WeakSet(); return () => { const n = known.has(parts) ? 1 : 0; known.add(parts); return n } })()',
];

const threeTimes = async (language: 'js' | 'jsonata', source: string): Promise<readonly string[]> => {
  const outcomes: string[] = [];
  for (let time = 0; time < 3; time++) outcomes.push(outcomeOf(await ask(pool, { language, source, input: '{}' })));
  return outcomes;
};

describe('a script that keeps a counter sees 0 each time', () => {
  it.each(REACHED)('on %s', async (reached) => {
    const source = `() => { const at = ${reached}; const n = at.counter ?? 0; try { at.counter = n + 1 } catch {} return n }`;
    expect(await threeTimes('js', source)).toEqual(['0', '0', '0']);
  });

  it.each(HIDDEN)('read by %s, raised by %s', async (read, write) => {
    const source = `() => { let n; try { n = ${read} } catch {} try { ${write} } catch {} return n ? 1 : 0 }`;
    expect(await threeTimes('js', source)).toEqual(['0', '0', '0']);
  });

  it.each(COUNTING)('in %s', async (source) => {
    expect(await threeTimes('js', source)).toEqual(['0', '0', '0']);
  });
});

describe('an expression that keeps a counter sees nothing each time', () => {
  // By its own values an expression reaches the functions of the library, its own tree, and the constructor of functions.
  const COPYING_NOTHING = '$clone := function($x) { $x };';
  const BY_JS =
    '$js := function($body) { ($f := function() { 1 }; $c := $lookup($f.environment.bind, "constructor"); $c($body)) };';
  it.each([
    '( $n := $sum.position; $sum([1]); $n )',
    '( $n := $sum.token; $sum([1]); $n )',
    `( ${COPYING_NOTHING} $n := $sum.counter; $sum ~> |$|{ "counter": 1 }|; $n )`,
    `( ${COPYING_NOTHING} $n := $sum.signature.counter; $sum ~> |signature|{ "counter": 1 }|; $n )`,
    `( ${COPYING_NOTHING} $f := function() { "a" }; $n := $f.body.counter; $f ~> |body|{ "counter": 1 }|; $n )`,
    `( ${COPYING_NOTHING} $f := function() { "a" }; $n := $f() = "a" ? null : 1; $f ~> |body|{ "value": "b" }|; $n )`,
    `( ${COPYING_NOTHING} $f := function() { "a" }; $n := $f.environment.global.counter; $f ~> |environment.global|{ "counter": 1 }|; $n )`,
    `( ${COPYING_NOTHING} $n := $now.counter; $now ~> |$|{ "counter": 1 }|; $n )`,
    '( $f := function() { 1 }; $bind := $f.environment.bind; $n := $counter; $bind("counter", 1); $n )',
    `( ${BY_JS} $n := $js("return globalThis.counter")(); $js("globalThis.counter = 1")(); $n )`,
  ])('%s', async (source) => {
    const seen = await threeTimes('jsonata', source);
    expect(seen[0]).toMatch(/^(null|Stepwell\.ExpressionFailed)$/);
    expect(new Set(seen).size).toBe(1);
  });
});
