import { Controller, Get, Query, Res } from '@nestjs/common';
import { MetricsPage } from '#runtime';
import { replyText, type HttpReply } from '../http/exchange.js';
import { NoQuery } from '../runs/run-queries.js';

/** `/metrics`: what Prometheus reads. */
@Controller('metrics')
export class MetricsController {
  readonly #page: MetricsPage;

  constructor(page: MetricsPage) {
    this.#page = page;
  }

  @Get()
  async get(@Query({ schema: NoQuery }) _query: NoQuery, @Res() reply: HttpReply): Promise<void> {
    const text = await this.#page.text();
    replyText(reply, text, { 'content-type': this.#page.contentType, 'cache-control': 'no-store' });
  }
}
