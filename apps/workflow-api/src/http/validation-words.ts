import type { z } from 'zod';

type Issue = z.core.$ZodRawIssue;

/** What is wrong with a value, in our words. What a schema says itself stands before these; `undefined`: there are none for it. */
export const wordsOf = (issue: Issue): string | undefined => {
  switch (issue.code) {
    case 'invalid_type':
      if (issue.input === undefined) return 'is missing';
      return `must be ${KINDS[issue.expected] ?? issue.expected}, not ${kindOf(issue.input)}`;
    case 'invalid_value':
      return `must be ${listed(issue.values.map((value) => JSON.stringify(value)))}`;
    case 'too_big':
      return `must be ${measured(issue.origin, 'at most', Number(issue.maximum))}`;
    case 'too_small':
      return `must be ${measured(issue.origin, 'at least', Number(issue.minimum))}`;
    case 'invalid_union':
      return 'has none of the forms that are taken here';
    case 'invalid_format':
      return 'does not have the form that is taken here';
    default:
      return undefined;
  }
};

const KINDS: Readonly<Record<string, string>> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  object: 'an object',
  record: 'an object',
  array: 'a list',
};

const kindOf = (value: unknown): string => {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'an object';
  if (typeof value === 'string') return 'text';
  return typeof value === 'number' ? `the number ${value}` : `${typeof value} ${JSON.stringify(value)}`;
};

const measured = (origin: string, bound: string, size: number): string => {
  if (origin === 'string') return `${bound} ${size} ${size === 1 ? 'character' : 'characters'} long`;
  if (origin === 'array' || origin === 'object') return `${bound} ${size} ${size === 1 ? 'entry' : 'entries'} long`;
  return `${bound} ${size}`;
};

const listed = (values: readonly string[]): string =>
  values.length < 2 ? values.join('') : `${values.slice(0, -1).join(', ')} or ${values.at(-1)}`;
