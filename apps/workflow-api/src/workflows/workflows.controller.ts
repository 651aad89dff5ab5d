import { Controller, Headers, Param, Query, Req } from '@nestjs/common';
import type { IncomingHttpHeaders } from 'node:http';
import type { Answer } from '../http/answer.js';
import { Endpoint } from '../http/endpoint.js';
import type { HttpRequest } from '../http/exchange.js';
import { NoQuery } from '../http/parameters.js';
import { Name } from '../runs/start-request.js';
import { ARCHIVE_WORKFLOW } from './endpoints/archive-workflow.js';
import { DISCARD_DRAFT } from './endpoints/discard-draft.js';
import { GET_DRAFT } from './endpoints/get-draft.js';
import { GET_VERSION, parseVersion } from './endpoints/get-version.js';
import { GET_WORKFLOW } from './endpoints/get-workflow.js';
import { LIST_VERSIONS, VersionsQuery } from './endpoints/list-versions.js';
import { LIST_WORKFLOWS, WorkflowsQuery } from './endpoints/list-workflows.js';
import { PUBLISH_WORKFLOW } from './endpoints/publish-workflow.js';
import { SAVE_DRAFT } from './endpoints/save-draft.js';
import { VALIDATE_DEFINITION } from './endpoints/validate-definition.js';
import { WorkflowReader } from './workflow-reader.js';
import { WorkflowWriter } from './workflow-writer.js';

/**
 * `/v1/workflows`: publish, read, draft, validate, archive. Bodies come as bytes: the document's text is kept as it is. A name is
 * checked where something is stored under it; when read, a name that cannot be is just not found.
 */
@Controller()
export class WorkflowsController {
  constructor(
    private readonly reader: WorkflowReader,
    private readonly writer: WorkflowWriter,
  ) {}

  @Endpoint(LIST_WORKFLOWS)
  list(@Query({ schema: WorkflowsQuery }) query: WorkflowsQuery): Answer {
    return this.reader.list(query);
  }

  @Endpoint(VALIDATE_DEFINITION)
  validate(@Query({ schema: NoQuery }) _query: NoQuery, @Req() { headers, body }: HttpRequest): Answer {
    return this.writer.validate(headers, body);
  }

  @Endpoint(PUBLISH_WORKFLOW)
  publish(
    @Param('name', { schema: Name }) name: string,
    @Query({ schema: NoQuery }) _query: NoQuery,
    @Req() { headers, body }: HttpRequest,
  ): Promise<Answer> {
    return this.writer.publish(name, headers, body);
  }

  @Endpoint(GET_WORKFLOW)
  get(@Param('name') name: string, @Query({ schema: NoQuery }) _query: NoQuery): Promise<Answer> {
    return this.reader.workflow(name);
  }

  @Endpoint(ARCHIVE_WORKFLOW)
  archive(
    @Param('name') name: string,
    @Query({ schema: NoQuery }) _query: NoQuery,
    @Headers() headers: IncomingHttpHeaders,
  ): Promise<Answer> {
    return this.writer.archive(name, headers);
  }

  @Endpoint(LIST_VERSIONS)
  versions(@Param('name') name: string, @Query({ schema: VersionsQuery }) query: VersionsQuery): Promise<Answer> {
    return this.reader.versions(name, query);
  }

  @Endpoint(GET_VERSION)
  version(
    @Param('name') name: string,
    @Param('version') version: string,
    @Query({ schema: NoQuery }) _query: NoQuery,
  ): Promise<Answer> {
    return this.reader.version(name, parseVersion(version));
  }

  @Endpoint(SAVE_DRAFT)
  saveDraft(
    @Param('name', { schema: Name }) name: string,
    @Query({ schema: NoQuery }) _query: NoQuery,
    @Req() { headers, body }: HttpRequest,
  ): Promise<Answer> {
    return this.writer.saveDraft(name, headers, body);
  }

  @Endpoint(DISCARD_DRAFT)
  discardDraft(
    @Param('name') name: string,
    @Query({ schema: NoQuery }) _query: NoQuery,
    @Headers() headers: IncomingHttpHeaders,
  ): Promise<Answer> {
    return this.writer.discardDraft(name, headers);
  }

  @Endpoint(GET_DRAFT)
  draft(@Param('name') name: string, @Query({ schema: NoQuery }) _query: NoQuery): Promise<Answer> {
    return this.reader.draft(name);
  }
}
