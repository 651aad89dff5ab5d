import { Controller, Get, Param, Query, Redirect, Req, Res } from '@nestjs/common';
import type { RequestListener } from 'node:http';
import { RUN_EVENT_SCHEMAS } from '#event-store';
import { nearestNames } from '#runtime';
import type { Answer } from '../http/answer.js';
import { Endpoint } from '../http/endpoint.js';
import type { HttpReply, HttpRequest } from '../http/exchange.js';
import { NoQuery } from '../http/parameters.js';
import { DefinitionSchemaText } from './definition-schema-text.js';
import { GET_DEFINITION_SCHEMA } from './endpoints/get-definition-schema.js';
import { HttpProblem } from '../http/problems.js';
import { didYouMean } from '../http/validation.js';
import { GET_EVENT_SCHEMA } from './endpoints/get-event-schema.js';
import { GET_OPENAPI } from './endpoints/get-openapi.js';
import { OpenApiText } from './openapi-text.js';
import { ASSETS, createSwaggerPage, PAGE_PATH } from './swagger-page.js';

/** `/openapi.json`, the schemas of definitions and of events, and Swagger UI at `/docs`. */
@Controller()
export class DocsController {
  #page: RequestListener | null = null;

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

  @Endpoint(GET_EVENT_SCHEMA)
  eventSchema(@Param('type') type: string, @Query({ schema: NoQuery }) _query: NoQuery): Answer {
    const schema = RUN_EVENT_SCHEMAS.get(type);
    if (schema === undefined) throw unknownType(type);
    return { text: JSON.stringify(schema) };
  }

  /** The names of its files are relative to the page. */
  @Get('docs')
  @Redirect(PAGE_PATH, 308)
  toPage(): void {}

  /** The page writes its own answer: it is an application of Express. */
  @Get(`${PAGE_PATH}*`)
  page(@Param('*') file: string, @Req() request: HttpRequest, @Res() reply: HttpReply): void {
    if (!ASSETS.has(file)) throw new HttpProblem(NO_FILE);
    reply.hijack();
    for (const [name, value] of Object.entries(reply.getHeaders())) reply.raw.setHeader(name, String(value));
    this.#page ??= createSwaggerPage();
    this.#page(request.raw, reply.raw);
  }
}

const unknownType = (type: string): HttpProblem =>
  new HttpProblem({
    code: 'event-type-not-found',
    detail: `There is no type of event ${JSON.stringify(type.slice(0, 80))}.${didYouMean(nearestNames(type, RUN_EVENT_SCHEMAS.keys()))}`,
  });

const NO_FILE = { code: 'route-not-found', detail: 'There is nothing at this address of the documentation.' } as const;
