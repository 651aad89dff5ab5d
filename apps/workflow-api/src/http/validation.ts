import { nearestNames } from '#runtime';
import type { z } from 'zod';
import type { Problem, ProblemPlace } from './problems.js';

/** Places named in one answer; a hostile body must not be answered at greater length than it has. */
const PLACES_MAX = 100;
const NAME_SHOWN_MAX = 80;

/** The problem that a schema found, each place with a pointer; unknown members by name, with the nearest known ones. */
export const validationProblem = (error: z.core.$ZodError, schema: z.ZodType, what: 'body' | 'query'): Problem => {
  const errors = error.issues.flatMap((issue) => places(issue, schema, what)).slice(0, PLACES_MAX);
  const [first] = errors;
  const more = errors.length > 1 ? ` And ${errors.length - 1} more.` : '';
  const where = first === undefined || first.pointer === '' ? '' : `${first.pointer}: `;
  return {
    code: 'validation-failed',
    detail: `${where}${first?.detail ?? 'The request is not valid.'}${more}`,
    errors,
  };
};

const places = (issue: z.core.$ZodIssue, schema: z.ZodType, what: 'body' | 'query'): readonly ProblemPlace[] => {
  if (issue.code === 'unrecognized_keys') {
    const known = knownMembers(schema);
    return issue.keys.map((key) => ({
      pointer: pointerOf([...issue.path, key], what),
      detail: `There is no such ${what === 'query' ? 'parameter' : 'member'}.${hint(key, issue.path.length === 0 ? known : [])}`,
    }));
  }
  // Of the name of a member only the issue inside says what is wrong with it.
  const { message } = (issue.code === 'invalid_key' ? issue.issues[0] : undefined) ?? issue;
  const detail = message.charAt(0).toUpperCase() + message.slice(1);
  return [{ pointer: pointerOf(issue.path, what), detail: detail.endsWith('.') ? detail : `${detail}.` }];
};

const knownMembers = (schema: z.ZodType): readonly string[] =>
  'shape' in schema ? Object.keys(schema.shape as object) : [];

const hint = (name: string, known: readonly string[]): string => {
  const near = nearestNames(name, known);
  if (near.length > 0) return didYouMean(near);
  return known.length === 0 ? '' : ` Known are ${known.join(', ')}.`;
};

/** ` Did you mean "a" or "b"?`, or nothing. */
export const didYouMean = (names: readonly string[]): string =>
  names.length === 0 ? '' : ` Did you mean ${names.map((name) => JSON.stringify(name)).join(' or ')}?`;

/** A JSON pointer into a body; a parameter goes by its name. */
const pointerOf = (path: readonly PropertyKey[], what: 'body' | 'query'): string => {
  const tokens = path.map((token) => String(token).slice(0, NAME_SHOWN_MAX));
  if (what === 'query') return tokens[0] ?? '';
  return tokens.map((token) => `/${token.replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');
};
