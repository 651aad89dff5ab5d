import { Controller, Delete, Get, Headers, HttpCode, Param, Post, Put, Query, Req, Res } from '@nestjs/common';
import type { IncomingHttpHeaders } from 'node:http';
import { replyText, type HttpReply, type HttpRequest } from '../http/exchange.js';
import { NoQuery } from '../runs/run-queries.js';
import { positionHeader } from '../runs/run-reads.js';
import { entityTag } from './entity-tags.js';
import { NewName, parseVersion, VersionsQuery, WorkflowsQuery } from './workflow-queries.js';
import { WorkflowReader, type Answer } from './workflow-reader.js';
import { WorkflowWriter } from './workflow-writer.js';

/** `/v1/workflows`: publish, read, draft, validate, archive. Bodies come as bytes: the document's text is kept as it is. */
@Controller('v1/workflows')
export class WorkflowsController {
  readonly #reader: WorkflowReader;
  readonly #writer: WorkflowWriter;

  constructor(reader: WorkflowReader, writer: WorkflowWriter) {
    this.#reader = reader;
    this.#writer = writer;
  }

  @Get()
  list(@Query({ schema: WorkflowsQuery }) query: WorkflowsQuery, @Res() reply: HttpReply): void {
    replyText(reply, this.#reader.list(query));
  }

  @Post('validate')
  @HttpCode(200)
  validate(
    @Query({ schema: NoQuery }) _query: NoQuery,
    @Req() { headers, body }: HttpRequest,
    @Res() reply: HttpReply,
  ): void {
    replyText(reply, this.#writer.validate(headers, body));
  }

  @Put(':name')
  async publish(
    @Param('name', { schema: NewName }) name: string,
    @Query({ schema: NoQuery }) _query: NoQuery,
    @Req() { headers, body }: HttpRequest,
    @Res() reply: HttpReply,
  ): Promise<void> {
    const { text, position, created, version } = await this.#writer.publish(name, headers, body);
    const location = `/v1/workflows/${name}/versions/${version}`;
    replyText(reply, text, { ...positionHeader(position), etag: entityTag(version), location }, created ? 201 : 200);
  }

  @Get(':name')
  async get(
    @Param('name') name: string,
    @Query({ schema: NoQuery }) _query: NoQuery,
    @Headers() headers: IncomingHttpHeaders,
    @Res() reply: HttpReply,
  ): Promise<void> {
    const answer = await this.#reader.workflow(name);
    replyTagged(reply, answer, headers);
  }

  @Delete(':name')
  @HttpCode(200)
  async archive(
    @Param('name') name: string,
    @Query({ schema: NoQuery }) _query: NoQuery,
    @Headers() headers: IncomingHttpHeaders,
    @Res() reply: HttpReply,
  ): Promise<void> {
    const { text, position } = await this.#writer.archive(name, headers);
    replyText(reply, text, positionHeader(position));
  }

  @Get(':name/versions')
  async versions(
    @Param('name') name: string,
    @Query({ schema: VersionsQuery }) query: VersionsQuery,
    @Res() reply: HttpReply,
  ): Promise<void> {
    replyText(reply, await this.#reader.versions(name, query));
  }

  @Get(':name/versions/:version')
  async version(
    @Param('name') name: string,
    @Param('version') version: string,
    @Query({ schema: NoQuery }) _query: NoQuery,
    @Headers() headers: IncomingHttpHeaders,
    @Res() reply: HttpReply,
  ): Promise<void> {
    const answer = await this.#reader.version(name, parseVersion(version));
    replyTagged(reply, answer, headers);
  }

  @Put(':name/draft')
  async saveDraft(
    @Param('name', { schema: NewName }) name: string,
    @Query({ schema: NoQuery }) _query: NoQuery,
    @Req() { headers, body }: HttpRequest,
    @Res() reply: HttpReply,
  ): Promise<void> {
    const { text, position } = await this.#writer.saveDraft(name, headers, body);
    replyText(reply, text, positionHeader(position));
  }

  @Get(':name/draft')
  async draft(
    @Param('name') name: string,
    @Query({ schema: NoQuery }) _query: NoQuery,
    @Res() reply: HttpReply,
  ): Promise<void> {
    replyText(reply, await this.#reader.draft(name));
  }
}

/** With the version as ETag; 304 without a body when the client has it already. */
const replyTagged = (reply: HttpReply, { text, version }: Answer, headers: IncomingHttpHeaders): void => {
  if (version === null) return replyText(reply, text);
  const etag = entityTag(version);
  const seen = headers['if-none-match']?.split(',').some((tag) => [etag, `W/${etag}`].includes(tag.trim())) ?? false;
  if (seen) void reply.code(304).header('etag', etag).send();
  else replyText(reply, text, { etag });
};
