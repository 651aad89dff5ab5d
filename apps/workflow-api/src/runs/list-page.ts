import type { IncomingHttpHeaders } from 'node:http';
import type { Position } from '#event-store';
import type { Config } from '#runtime';
import type { RunListPage } from '#views';
import type { RunLists } from '../../../modules/src/run-lists.js';
import { HttpProblem, type Problem } from '../http/problems.js';
import type { Answer } from '../http/answer.js';
import { parseMinPosition } from './run-reads.js';

/** A page of a list as text, of views that have reached `Stepwell-Min-Position`. Throws the problem to answer. */
export const pageAt = async (
  lists: RunLists,
  { views }: Pick<Config, 'views'>,
  headers: IncomingHttpHeaders,
  read: (reached: { readonly minPosition?: Position }) => Promise<RunListPage>,
): Promise<Answer> => {
  const minPosition = parseMinPosition(headers['stepwell-min-position']);
  if (minPosition !== null && !(await lists.waitFor(minPosition, views.minPositionWaitMs))) throw behind();
  const page = await read(minPosition === null ? {} : { minPosition });
  if (page.status === 'behind') throw behind();
  if (page.status === 'bad-cursor') {
    throw new HttpProblem(OTHER_CURSOR);
  }
  return {
    text: `{"items":${page.items},"nextCursor":${JSON.stringify(page.nextCursor)}}`,
    position: page.position,
  };
};

export const OTHER_CURSOR: Problem = {
  code: 'cursor-invalid',
  detail: 'The cursor is malformed, or belongs to a list with other filters.',
  errors: [{ pointer: 'cursor', detail: 'Give the nextCursor of a page of this very list.' }],
};

const behind = (): HttpProblem =>
  new HttpProblem({ code: 'view-behind', detail: 'The view did not reach the position in time.' });
