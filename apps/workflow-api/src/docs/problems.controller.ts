import { Controller, Get, Param, Query, Res } from '@nestjs/common';
import { nearestNames } from '#runtime';
import { replyText, type HttpReply } from '../http/exchange.js';
import { HttpProblem, PROBLEMS, type ProblemCode } from '../http/problems.js';
import { didYouMean } from '../http/validation.js';
import { NoQuery } from '../runs/run-queries.js';

/** `/problems`: what the `type` of a problem leads to. */
@Controller('problems')
export class ProblemsController {
  @Get()
  list(@Query({ schema: NoQuery }) _query: NoQuery, @Res() reply: HttpReply): void {
    // The keys of a literal are its names: `Object.keys` only forgets it.
    const codes = Object.keys(PROBLEMS) as ProblemCode[];
    replyText(reply, JSON.stringify({ items: codes.map(described), nextCursor: null }));
  }

  @Get(':code')
  get(@Param('code') code: string, @Query({ schema: NoQuery }) _query: NoQuery, @Res() reply: HttpReply): void {
    if (!isCode(code)) throw unknown(code);
    replyText(reply, JSON.stringify(described(code)));
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
