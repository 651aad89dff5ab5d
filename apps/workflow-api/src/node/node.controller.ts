import { Controller, Get, Query, Res } from '@nestjs/common';
import { NodeInfo } from '#runtime';
import { replyText, type HttpReply } from '../http/exchange.js';
import { NoQuery } from '../runs/run-queries.js';

/** `/v1/node`: which build answers, on which store, with which limits. */
@Controller('v1/node')
export class NodeController {
  readonly #info: NodeInfo;

  constructor(info: NodeInfo) {
    this.#info = info;
  }

  @Get()
  get(@Query({ schema: NoQuery }) _query: NoQuery, @Res() reply: HttpReply): void {
    replyText(reply, JSON.stringify(this.#info));
  }
}
