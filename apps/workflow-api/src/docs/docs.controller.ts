import { Controller, Get, Query, Req, Res } from '@nestjs/common';
import type { FastifyInstance } from 'fastify';
import type { Answer } from '../http/answer.js';
import { Endpoint } from '../http/endpoint.js';
import type { HttpReply, HttpRequest } from '../http/exchange.js';
import { NoQuery } from '../http/parameters.js';
import { DefinitionSchemaText } from './definition-schema-text.js';
import { GET_DEFINITION_SCHEMA } from './endpoints/get-definition-schema.js';
import { GET_OPENAPI } from './endpoints/get-openapi.js';
import { OpenApiText } from './openapi-text.js';
import { createSwaggerPage } from './swagger-page.js';

/** `/openapi.json`, the schema of definitions, and Swagger UI at `/docs`. */
@Controller()
export class DocsController {
  #page: Promise<FastifyInstance> | null = null;

  constructor(
    private readonly document: OpenApiText,
    private readonly definitionSchema: DefinitionSchemaText,
  ) {}

  @Endpoint(GET_OPENAPI)
  async openapi(@Query({ schema: NoQuery }) _query: NoQuery): Promise<Answer> {
    return { text: await this.document.text() };
  }

  @Endpoint(GET_DEFINITION_SCHEMA)
  schema(@Query({ schema: NoQuery }) _query: NoQuery): Answer {
    return { text: this.definitionSchema.text };
  }

  @Get(['docs', 'docs/*'])
  async docs(@Req() request: HttpRequest, @Res() reply: HttpReply): Promise<void> {
    const page = await (this.#page ??= createSwaggerPage());
    reply.hijack();
    page.routing(request.raw, reply.raw);
  }
}
