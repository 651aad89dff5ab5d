import { describe, expect, it } from '@jest/globals';
import type { Plan } from '#domain';
import { PlanCache } from './plan-cache.js';

const plan = (nodes: number): Plan => ({
  v: 1,
  nodes: Array(nodes).fill(null),
  scopes: [],
  policies: [],
  output: null,
  timeoutMs: null,
});
const held = (cache: PlanCache, hashes: string) => [...hashes].filter((hash) => cache.get(hash) !== null).join('');

describe('PlanCache', () => {
  it('makes room by dropping what nobody has asked for, oldest first', () => {
    const cache = new PlanCache(30);
    for (const hash of 'abc') cache.keep(hash, plan(10));
    cache.get('a');
    cache.keep('d', plan(10));
    expect(held(cache, 'abcd')).toBe('acd');
  });

  it('holds one plan that is larger than its bound, and nothing beside it', () => {
    const cache = new PlanCache(30);
    for (const hash of 'ab') cache.keep(hash, plan(10));
    cache.keep('c', plan(100));
    expect(held(cache, 'abc')).toBe('c');
    cache.keep('d', plan(1));
    expect(held(cache, 'cd')).toBe('d');
  });

  it('counts a plan once, however often it is kept', () => {
    const cache = new PlanCache(30);
    for (let times = 0; times < 10; times++) cache.keep('a', plan(10));
    cache.keep('b', plan(10));
    cache.keep('c', plan(10));
    expect(held(cache, 'abc')).toBe('abc');
  });
});
