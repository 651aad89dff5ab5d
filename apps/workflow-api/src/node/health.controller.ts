import { Controller, Get, Query, Res } from '@nestjs/common';
import type { Readiness } from '#runtime';
import { replyText, type HttpReply } from '../http/exchange.js';
import { HttpProblem } from '../http/problems.js';
import { Health } from '../parts.js';
import { NoQuery } from '../runs/run-queries.js';

/** Whether the process lives, and whether it can serve. */
@Controller()
export class HealthController {
  readonly #health: Health;

  constructor(health: Health) {
    this.#health = health;
  }

  @Get('livez')
  livez(@Query({ schema: NoQuery }) _query: NoQuery, @Res() reply: HttpReply): void {
    replyText(reply, '{"status":"alive"}', NO_STORE);
  }

  @Get('readyz')
  async readyz(@Query({ schema: NoQuery }) _query: NoQuery, @Res() reply: HttpReply): Promise<void> {
    const readiness = await this.#health.readiness();
    if (readiness.status === 'not-ready') throw notReady(readiness);
    replyText(reply, JSON.stringify(readiness), NO_STORE);
  }
}

const NO_STORE = { 'cache-control': 'no-store' };

const notReady = ({ parts }: Readiness): HttpProblem => {
  const late = Object.entries(parts).filter(([, part]) => part.status === 'not-ready');
  const errors = late.map(([name, part]) => ({ pointer: name, detail: part.detail ?? 'It is not ready.' }));
  return new HttpProblem({ code: 'not-ready', detail: `Not ready: ${late.map(([name]) => name).join(', ')}.`, errors });
};
