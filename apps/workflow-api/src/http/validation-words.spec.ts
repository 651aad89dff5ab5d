import { describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import { parseValue } from './json-body.js';
import { HttpProblem } from './problems.js';

const Shape = z.strictObject({
  text: z.string().min(2).max(4).optional(),
  count: z.int().min(1).optional(),
  flag: z.boolean().optional(),
  labels: z.record(z.string(), z.string()).optional(),
  list: z.array(z.string()).max(1).optional(),
  one: z.enum(['a', 'b', 'c']).optional(),
  inner: z.strictObject({ needed: z.string() }).optional(),
});

const detailOf = (value: unknown): string => {
  try {
    parseValue(Shape, value);
    return 'taken';
  } catch (error) {
    if (error instanceof HttpProblem) return error.problem.detail;
    throw error;
  }
};

describe('what is wrong with a body', () => {
  it.each<[unknown, string]>([
    [[], 'Must be an object, not a list.'],
    [null, 'Must be an object, not null.'],
    [{ text: 7 }, '/text: Must be text, not the number 7.'],
    [{ text: 'a' }, '/text: Must be at least 2 characters long.'],
    [{ text: 'abcde' }, '/text: Must be at most 4 characters long.'],
    [{ count: 'a' }, '/count: Must be a number, not text.'],
    [{ count: 1.5 }, '/count: Must be a whole number, not the number 1.5.'],
    [{ count: 0 }, '/count: Must be at least 1.'],
    [{ flag: {} }, '/flag: Must be true or false, not an object.'],
    [{ labels: ['a'] }, '/labels: Must be an object, not a list.'],
    [{ list: ['a', 'b'] }, '/list: Must be at most 1 entry long.'],
    [{ one: 'd' }, '/one: Must be "a", "b" or "c".'],
    [{ inner: {} }, '/inner/needed: Is missing.'],
  ])('is said in our words: %j', (value, detail) => expect(detailOf(value)).toBe(detail));
});
