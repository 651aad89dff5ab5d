import { Controller, Get, Headers, Query, Res } from '@nestjs/common';
import type { IncomingHttpHeaders } from 'node:http';
import { replyText, type HttpReply } from '../http/exchange.js';
import { StepsQuery } from './step-queries.js';
import { StepReader } from './step-reader.js';

/** `/v1/steps`: steps across runs. */
@Controller('v1/steps')
export class StepsController {
  readonly #reader: StepReader;

  constructor(reader: StepReader) {
    this.#reader = reader;
  }

  @Get()
  async list(
    @Query({ schema: StepsQuery }) query: StepsQuery,
    @Headers() headers: IncomingHttpHeaders,
    @Res() reply: HttpReply,
  ): Promise<void> {
    const page = await this.#reader.list(query, headers);
    replyText(reply, page.text, { 'stepwell-position': page.position });
  }
}
