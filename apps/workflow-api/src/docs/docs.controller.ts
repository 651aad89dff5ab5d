import { Controller, Get, Query, Req, Res } from '@nestjs/common';
import type { FastifyInstance } from 'fastify';
import { replyText, type HttpReply, type HttpRequest } from '../http/exchange.js';
import { NoQuery } from '../runs/run-queries.js';
import { OpenApiText } from './openapi-text.js';
import { createSwaggerPage } from './swagger-page.js';

/** `/openapi.json`, and Swagger UI at `/docs`. */
@Controller()
export class DocsController {
  readonly #document: OpenApiText;
  #page: Promise<FastifyInstance> | null = null;

  constructor(document: OpenApiText) {
    this.#document = document;
  }

  @Get('openapi.json')
  async openapi(@Query({ schema: NoQuery }) _query: NoQuery, @Res() reply: HttpReply): Promise<void> {
    replyText(reply, await this.#document.text());
  }

  @Get(['docs', 'docs/*'])
  async docs(@Req() request: HttpRequest, @Res() reply: HttpReply): Promise<void> {
    const page = await (this.#page ??= createSwaggerPage());
    reply.hijack();
    page.routing(request.raw, reply.raw);
  }
}
