import { Controller, Param, Query } from '@nestjs/common';
import { nearestNames } from '#runtime';
import type { Answer } from '../http/answer.js';
import { Endpoint } from '../http/endpoint.js';
import { NoQuery } from '../http/parameters.js';
import { HttpProblem, PROBLEMS, type ProblemCode } from '../http/problems.js';
import { didYouMean } from '../http/validation.js';
import { GET_PROBLEM } from './endpoints/get-problem.js';
import { LIST_PROBLEMS } from './endpoints/list-problems.js';

/** `/problems`: what the `type` of a problem leads to. */
@Controller()
export class ProblemsController {
  @Endpoint(LIST_PROBLEMS)
  list(@Query({ schema: NoQuery }) _query: NoQuery): Answer {
    // The keys of a literal are its names: `Object.keys` only forgets it.
    const codes = Object.keys(PROBLEMS) as ProblemCode[];
    return { text: JSON.stringify({ items: codes.map(described), nextCursor: null }) };
  }

  @Endpoint(GET_PROBLEM)
  get(@Param('code') code: string, @Query({ schema: NoQuery }) _query: NoQuery): Answer {
    if (!isCode(code)) throw unknown(code);
    return { text: JSON.stringify(described(code)) };
  }
}

const isCode = (code: string): code is ProblemCode => Object.hasOwn(PROBLEMS, code);

const described = (code: ProblemCode) => {
  const [status, title, help] = PROBLEMS[code];
  return { type: `/problems/${code}`, code, status, title, help };
};

const unknown = (code: string): HttpProblem =>
  new HttpProblem({
    code: 'problem-not-found',
    detail: `There is no problem ${JSON.stringify(code.slice(0, 80))}.${didYouMean(nearestNames(code, Object.keys(PROBLEMS)))}`,
  });
