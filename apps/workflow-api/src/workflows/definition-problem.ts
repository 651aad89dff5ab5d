import type { Finding } from '#domain';
import type { Place } from './definition-document.js';
import { HttpProblem, type ProblemPlace } from '../http/problems.js';

/** The problem of a definition with errors, each of them with its place. Warnings stand in nobody's way and are left out. */
export const invalidDefinition = (
  findings: readonly Finding[],
  { below = '', placeOf = () => null }: { below?: string; placeOf?: (pointer: string) => Place | null } = {},
): HttpProblem => {
  const errors = findings
    .filter((finding) => finding.severity === 'error')
    .map(({ pointer, detail, suggestion }): ProblemPlace => {
      const hint = suggestion === null ? '' : ` Did you mean ${JSON.stringify(suggestion)}?`;
      return { pointer: `${below}${pointer}`, detail: `${detail}.${hint}`, ...placeOf(pointer) };
    });
  const [first] = errors;
  const more = errors.length > 1 ? ` And ${errors.length - 1} more.` : '';
  return new HttpProblem({
    code: 'invalid-definition',
    detail: `${first?.pointer ?? ''}: ${first?.detail ?? ''}${more}`,
    errors,
  });
};
