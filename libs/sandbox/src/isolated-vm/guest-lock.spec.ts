import ivm from 'isolated-vm';
import { describe, expect, it } from '@jest/globals';
import { guestDeclarations } from './guest.js';

/** Each makes something by syntax or by a function of the language; what is not made but shared is to be found by walking. */
const MAKING = [
  '{}, [], /a/g, "a", 1n, Symbol("a"), new Error("a"), new AggregateError([]), new Date(), new Proxy({}, {})',
  '() => {}, function () {}, function* () {}, async () => {}, async function* () {}, class { static #a = 1; get b() { return 1 } }',
  'new Function("return 1"), new Function("return arguments")(), (function () { return arguments })(1), ((a) => a)`b`',
  '(function* () {})(), (async function* () {})(), (async () => {})(), Promise.withResolvers(), Promise.all([])',
  '[].values(), [].values().map((x) => x), Iterator.from({ next() {} }), new Map().entries(), new Set().values(), "a"[Symbol.iterator]()',
  '"a".matchAll(/a/g), /(?<n>a)/d.exec("a"), "a".match(/a/g), Object.groupBy([1], () => "a"), Map.groupBy([1], () => "a")',
  'new Map(), new Set(), new WeakMap(), new WeakSet(), new ArrayBuffer(1), new Uint8Array(1), new DataView(new ArrayBuffer(1))',
  'new Intl.Collator().compare, new Intl.NumberFormat().format, new Intl.DateTimeFormat().format, new Intl.PluralRules()',
  'new Intl.Segmenter().segment("a"), new Intl.Segmenter().segment("a")[Symbol.iterator](), new Intl.Locale("en"), new Intl.ListFormat()',
  'JSON.rawJSON("1"), JSON.parse("{}"), Object.getOwnPropertyDescriptors(globalThis), Reflect.ownKeys(Math)',
  'new DisposableStack(), new AsyncDisposableStack(), new SuppressedError(), Object.create(null), Proxy.revocable({}, {})',
  'Object.getOwnPropertyDescriptor(new Error("a"), "stack"), (() => { const o = {}; Error.captureStackTrace(o); return Object.getOwnPropertyDescriptor(o, "stack") })()',
  'Array.fromAsync([]), (() => { try { null.a } catch (e) { return e } })(), globalThis, eval, this',
];

describe('the locked realm', () => {
  it('shares nothing between two functions that can be changed', () => {
    const isolate = new ivm.Isolate();
    const context = isolate.createContextSync();
    const source = `'use strict';
      ${guestDeclarations()}
      const reached = (root) => {
        const found = new Map([[root, '']]);
        for (const [each, path] of found) {
          const visit = (value, step) => {
            if ((typeof value === 'object' && value !== null) || typeof value === 'function') {
              if (!found.has(value)) found.set(value, path + step);
            }
          };
          visit(Object.getPrototypeOf(each), '.__proto__');
          for (const key of Reflect.ownKeys(each)) {
            for (const [part, value] of Object.entries(Object.getOwnPropertyDescriptor(each, key))) {
              visit(value, '.' + String(key) + (part === 'value' ? '' : '<' + part + '>'));
            }
          }
        }
        return found;
      };
      const Compile = Function;
      lockRealm({ nowMs: () => 0, random: () => 0.5 });
      const findings = [];
      let walked = 0;
      for (const making of ${JSON.stringify(MAKING)}) {
        const once = reached(new Compile('"use strict"; return [' + making + ']')());
        const again = reached(new Compile('"use strict"; return [' + making + ']')());
        walked += once.size;
        for (const [each, path] of once) if (again.has(each) && !Object.isFrozen(each)) findings.push(making + ' at ' + path);
      }
      return JSON.stringify({ walked, findings });`;
    const { walked, findings } = JSON.parse(context.evalClosureSync(source) as string) as {
      walked: number;
      findings: readonly string[];
    };
    isolate.dispose();
    expect(findings).toEqual([]);
    expect(walked).toBeGreaterThan(2_000);
  });
});
