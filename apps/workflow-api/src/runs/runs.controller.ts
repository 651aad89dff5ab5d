import { Body, Controller, Get, Headers, HttpCode, Param, Post, Query, Req, Res } from '@nestjs/common';
import type { IncomingHttpHeaders } from 'node:http';
import { replyText, type HttpReply, type HttpRequest } from '../http/exchange.js';
import { EventStreams } from './event-streams.js';
import { runText } from './run-json.js';
import { CancelRequest, EventsQuery, NoQuery, RunQuery, RunsQuery } from './run-queries.js';
import { RunReader } from './run-reader.js';
import { positionHeader } from './run-reads.js';
import { StartRunRoute } from './start-run.js';

/** `/v1/runs`: start, list, read, cancel. */
@Controller('v1/runs')
export class RunsController {
  readonly #start: StartRunRoute;
  readonly #reader: RunReader;
  readonly #streams: EventStreams;

  constructor(start: StartRunRoute, reader: RunReader, streams: EventStreams) {
    this.#start = start;
    this.#reader = reader;
    this.#streams = streams;
  }

  /** Reached by no query but the plain path, which the fast path takes before; both are the same function. */
  @Post()
  @HttpCode(201)
  start(@Query({ schema: NoQuery }) _query: NoQuery, @Req() request: HttpRequest, @Res() reply: HttpReply): void {
    reply.hijack();
    this.#start.handle(request.headers, Buffer.isBuffer(request.body) ? request.body : undefined, reply.raw);
  }

  @Get()
  async list(
    @Query({ schema: RunsQuery }) query: RunsQuery,
    @Headers() headers: IncomingHttpHeaders,
    @Res() reply: HttpReply,
  ): Promise<void> {
    const page = await this.#reader.list(query, headers);
    replyText(reply, page.text, { 'stepwell-position': page.position });
  }

  @Get(':id')
  async get(
    @Param('id') id: string,
    @Query({ schema: RunQuery }) query: RunQuery,
    @Res() reply: HttpReply,
  ): Promise<void> {
    const { run, plan, position } = await this.#reader.run(id);
    replyText(reply, runText(run, plan, query.view), positionHeader(position));
  }

  @Get(':id/events')
  async events(
    @Param('id') id: string,
    @Query({ schema: EventsQuery }) query: EventsQuery,
    @Req() request: HttpRequest,
    @Res() reply: HttpReply,
  ): Promise<void> {
    const loaded = await this.#reader.run(id);
    if (this.#streams.wantedBy(request)) return this.#streams.answer(loaded, query, request, reply);
    replyText(reply, await this.#reader.events(loaded, query), positionHeader(loaded.position));
  }

  @Get(':id/steps/:key')
  async step(
    @Param('id') id: string,
    @Param('key') key: string,
    @Query({ schema: NoQuery }) _query: NoQuery,
    @Res() reply: HttpReply,
  ): Promise<void> {
    const { loaded, text } = await this.#reader.step(id, key);
    replyText(reply, text, positionHeader(loaded.position));
  }

  @Post(':id/cancel')
  @HttpCode(200)
  async cancel(
    @Param('id') id: string,
    @Query({ schema: NoQuery }) _query: NoQuery,
    @Body({ schema: CancelRequest }) body: CancelRequest,
    @Headers() headers: IncomingHttpHeaders,
    @Res() reply: HttpReply,
  ): Promise<void> {
    const { run, plan, position } = await this.#reader.cancel(id, body?.reason ?? null, headers);
    replyText(reply, runText(run, plan), positionHeader(position));
  }
}
