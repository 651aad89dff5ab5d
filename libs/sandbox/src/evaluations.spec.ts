import { afterAll, describe, expect, it } from '@jest/globals';
import { ask, openPool, outcomeOf } from './testing/asking.js';

const pool = openPool();
afterAll(() => pool.stop());

const js = async (source: string, input?: string): Promise<string> =>
  outcomeOf(await ask(pool, { source, ...(input === undefined ? {} : { input }) }));
const jsonata = async (source: string, input?: string): Promise<string> =>
  outcomeOf(await ask(pool, { language: 'jsonata', source, ...(input === undefined ? {} : { input }) }));

describe('a script', () => {
  it.each([
    ['({ input }) => input.a + 1', '2'],
    ['function ({ input }) { return [input] }', '[{"a":1}]'],
    ['({ input, error }) => ({ ...input, error })', '{"a":1}'],
    ['() => undefined', 'null'],
    ['() => ({ at: new Date(0), none: undefined, f() {} })', '{"at":"1970-01-01T00:00:00.000Z"}'],
    ['() => [() => 1, undefined, Symbol.iterator]', '[null,null,null]'],
    ['(() => { const twice = (x) => 2 * x; return ({ input }) => twice(input.a) })()', '2'],
    [
      '() => { class Mine extends Error { constructor() { super("m"); this.name = "Mine"; } } return new Mine().name }',
      '"Mine"',
    ],
    [
      '() => { const counts = {}; for (const w of ["constructor", "toString"]) counts[w] = 1; return counts }',
      '{"constructor":1,"toString":1}',
    ],
    ['() => -0', '0'],
    ['() => "\\ud83d\\ude00é"', '"😀é"'],
    ['() => [1, 2].map((x) => x * 2).toSorted((a, b) => b - a)', '[4,2]'],
  ])('gives what JSON.stringify makes of its value: %s', async (source, expected) => {
    expect(await js(source, '{"a":1}')).toBe(expected);
  });

  it.each([
    '() => NaN',
    '() => [1 / 0]',
    '() => ({ a: { b: -Infinity } })',
    '() => () => 1',
    '() => Symbol.iterator',
    'async () => 1',
    '() => ({ later: Promise.resolve(1) })',
    '() => { const a = {}; a.a = a; return a }',
    '() => "\\ud800"',
    '() => JSON.parse(`{"__proto__":{"polluted":1}}`)',
    '() => { let deep = []; for (let n = 0; n < 100; n++) deep = [deep]; return deep }',
    '() => 10n ** 2000n',
    '() => ({ toJSON() { throw new Error("no") } })',
  ])('has no result when it is none that JSON stands for, or that may travel: %s', async (source) => {
    expect(await js(source)).toBe('Stepwell.ScriptResultInvalid');
  });

  it.each([
    ['({ input }) => {\n  return input.a.b.c }', "TypeError: Cannot read properties of undefined (reading 'c') (2:20)"],
    ['() => {\n\n  throw new RangeError("mine") }', 'RangeError: mine (3:9)'],
    ['() => { throw "text" }', 'it threw text'],
    ['() => { throw { code: 7 } }', 'it threw {"code":7}'],
    ['() => { throw null }', 'it threw null'],
    ['() => missing', 'ReferenceError: missing is not defined (1:7)'],
    ['() => {\n  let 1 }', 'SyntaxError: Unexpected strict mode reserved word (2:3)'],
    ['() => { Promise.reject(new Error("late")); return 1 }', 'in a promise: Error: late'],
    ['42', 'the script is number, not a function'],
    ['', "SyntaxError: Unexpected token ')' (2:1)"],
  ])('fails with what it threw, and where: %j', async (source, cause) => {
    const result = await ask(pool, { source, input: '{"a":{}}' });
    expect(result).toEqual({ error: { name: 'Stepwell.ScriptFailed', cause } });
  });

  it('is told no path of the service', async () => {
    const source = '() => { try { null.x } catch (e) { return e.stack } }';
    const stack = await js(source);
    expect(stack).toContain('script.js');
    expect(stack).not.toMatch(/file:|node_modules|libs|dist/);
  });

  it('has no more than it needs to compute', async () => {
    const gone =
      'WebAssembly SharedArrayBuffer Atomics console WeakRef FinalizationRegistry process require global fetch setTimeout ' +
      'queueMicrotask performance structuredClone Temporal module exports Buffer';
    const source = `() => '${gone}'.split(' ').filter((name) => name in globalThis)`;
    expect(await js(source)).toBe('[]');
  });

  it('fails by name when its result is larger than a payload may be', async () => {
    const limits = { ms: 5_000, memoryMb: 64, resultMaxBytes: 10 };
    expect(outcomeOf(await ask(pool, { source: '() => "12345678"', limits }))).toBe('"12345678"');
    expect(outcomeOf(await ask(pool, { source: '() => "123456789"', limits }))).toBe('Stepwell.PayloadTooLarge');
    expect(outcomeOf(await ask(pool, { source: '() => "éééé"', limits }))).toBe('"éééé"');
    expect(outcomeOf(await ask(pool, { source: '() => "ééééé"', limits }))).toBe('Stepwell.PayloadTooLarge');
  });
});

describe('time and chance', () => {
  it.each([
    'Date.now()',
    'new Date().getTime()',
    'Date.parse(Date())',
    'new (class extends Date {})().getTime()',
    'new (new Date(0).constructor)().getTime()',
    'Date.parse(new Intl.DateTimeFormat("en", { dateStyle: "short", timeStyle: "long", timeZone: "UTC" }).format().replace("UTC", "Z"))',
    'Number(new Intl.DateTimeFormat("en", { year: "numeric" }).formatToParts()[0].value) - 2026',
  ])('a script sees the instant of its request alone: %s', async (expression) => {
    const value = Number(await js(`() => ${expression}`));
    expect([Date.parse('2026-01-02T03:04:05.006Z'), Date.parse('2026-01-02T03:04:05Z'), 0]).toContain(value);
  });

  it('an expression sees it too, each time anew', async () => {
    const source = '[$now(), $string($millis()), $now("[Y]")]';
    for (const at of ['2026-01-02T03:04:05.006Z', '1999-12-31T23:59:59.999Z']) {
      const result = await ask(pool, { language: 'jsonata', source, instantMs: Date.parse(at) });
      expect(outcomeOf(result)).toBe(JSON.stringify([at, String(Date.parse(at)), at.slice(0, 4)]));
    }
  });

  it('local time is UTC', async () => {
    expect(await js('() => [new Date(0).getTimezoneOffset(), new Date(0).getHours()]')).toBe('[0,0]');
  });

  it.each(['js', 'jsonata'] as const)(
    'the same seed gives the same numbers, another one others: %s',
    async (language) => {
      const source = language === 'js' ? '() => [Math.random(), Math.random()]' : '[$random(), $random()]';
      const [one, again, other] = await Promise.all(
        ['a', 'a', 'b'].map(async (seed) => outcomeOf(await ask(pool, { language, source, seed }))),
      );
      expect(one).toMatch(/^\[0\.\d+,0\.\d+\]$/);
      expect(again).toBe(one);
      expect(other).not.toBe(one);
      const [first, second] = JSON.parse(one!) as number[];
      expect(first).not.toBe(second);
    },
  );
});

describe('numbers', () => {
  const INPUT =
    '{"big":9007199254740993.0,"more":12345678901234567890,"most":1e400,"held":1e23,"half":0.1234567890123456789,"near":-9007199254740993}';

  it('integers that a double does not hold are BigInts in a script, and leave as their digits', async () => {
    expect(await js('({ input }) => Object.values(input).map((each) => typeof each)', INPUT)).toBe(
      '["bigint","bigint","bigint","number","number","bigint"]',
    );
    expect(await js('({ input }) => [input.big, input.more + 1n, input.near, `${input.big}`]', INPUT)).toBe(
      '[9007199254740993,12345678901234567891,-9007199254740993,"9007199254740993"]',
    );
    expect(await js('({ input }) => input.most', INPUT)).toBe(`1${'0'.repeat(400)}`);
    expect(await js('({ input }) => input.big + 1', INPUT)).toBe('Stepwell.ScriptFailed');
  });

  it('an expression picks them and puts them into a text, and fails when it computes with them', async () => {
    expect(await jsonata('{ "a": $input.big, "b": "no " & $input.more }', INPUT)).toBe(
      '{"a":9007199254740993,"b":"no 12345678901234567890"}',
    );
    expect(await jsonata('$input.big + 1', INPUT)).toBe('Stepwell.ExpressionFailed');
    expect(await jsonata('$input.big > 1', INPUT)).toBe('Stepwell.ExpressionFailed');
  });

  it('strings that look like them are left alone', async () => {
    const text = '{"n":1,"s":"9007199254740993 1e400"}';
    expect(await js('({ input }) => input', text)).toBe(text);
  });
});

describe('an expression', () => {
  it.each([
    ['$sum($input.items.price)', '6'],
    ['$input.missing', 'null'],
    ['{ "n": $count($input.items), "first": $input.items[0].price }', '{"n":2,"first":2}'],
    ['$input.items.{ "double": price * 2 }', '[{"double":4},{"double":8}]'],
    ['( $f := function($n) { $n <= 1 ? 1 : $n * $f($n - 1) }; $f(10) )', '3628800'],
    ['$eval("1 + 2")', '3'],
    ['$input.items ~> |$|{ "price": 0 }|', '[{"price":0},{"price":0}]'],
    ['$base64decode($base64encode("hello"))', '"hello"'],
    ['$base64encode("a")', '"YQ=="'],
    ['$match("abc", /b/).index', '1'],
    ['$map([1..3], function($v) { $v * 2 })', '[2,4,6]'],
    ['{ "f": $sum, "n": null }', '{"n":null}'],
    ['$input.items ^ (>price) . price', '[4,2]'],
    ['"a" in ["a", "b"]', 'true'],
  ])('gives its value: %s', async (source, expected) => {
    expect(await jsonata(source, '{"items":[{"price":2},{"price":4}]}')).toBe(expected);
  });

  it.each([
    ['1 +', 'S0207: Unexpected end of expression (1:3)'],
    ['1 +\n  "a" * 2', 'T2001: The left side of the "*" operator must evaluate to a number (2:7)'],
    ['$error("mine")', 'D3137: mine (1:7)'],
    ['$sum', 'the result is a function'],
    ['function($x) { $x }', 'the result is a function'],
    ['$sum("a")', 'T0412: Argument 1 of function "sum" must be an array of "numbers" (1:5)'],
  ])('fails with its own code, and where: %j', async (source, cause) => {
    const result = await ask(pool, { language: 'jsonata', source });
    expect(result).toEqual({ error: { name: 'Stepwell.ExpressionFailed', cause } });
  });
});
