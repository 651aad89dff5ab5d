import { Body, Controller, Headers, Param, Query, Req, Res } from '@nestjs/common';
import type { IncomingHttpHeaders } from 'node:http';
import type { Answer } from '../http/answer.js';
import { Endpoint, HotEndpoint } from '../http/endpoint.js';
import type { HttpReply, HttpRequest } from '../http/exchange.js';
import { NoQuery } from '../http/parameters.js';
import { CANCEL_RUN, CancelRequest } from './endpoints/cancel-run.js';
import { GET_PAYLOAD, PayloadQuery } from './endpoints/get-payload.js';
import { GET_RUN, RunQuery } from './endpoints/get-run.js';
import { GET_STEP } from './endpoints/get-step.js';
import { EventsQuery, LIST_RUN_EVENTS } from './endpoints/list-run-events.js';
import { LIST_RUN_STEPS, RunStepsQuery } from './endpoints/list-run-steps.js';
import { LIST_RUNS, RunsQuery } from './endpoints/list-runs.js';
import { START_RUN } from './endpoints/start-run.js';
import { EventStreams } from './event-streams.js';
import { RunReader } from './run-reader.js';
import { RunStarts } from './run-starts.js';

/** `/v1/runs`: start, list, read, cancel. */
@Controller()
export class RunsController {
  constructor(
    private readonly starts: RunStarts,
    private readonly reader: RunReader,
    private readonly streams: EventStreams,
  ) {}

  @HotEndpoint(START_RUN)
  start(@Req() request: HttpRequest, @Res({ passthrough: true }) reply: HttpReply): Promise<string | undefined> {
    return this.starts.start(request, reply);
  }

  @Endpoint(LIST_RUNS)
  list(@Query({ schema: RunsQuery }) query: RunsQuery, @Headers() headers: IncomingHttpHeaders): Promise<Answer> {
    return this.reader.list(query, headers);
  }

  @Endpoint(GET_RUN)
  get(
    @Param('id') id: string,
    @Query({ schema: RunQuery }) { view }: RunQuery,
    @Headers('if-none-match') ifNoneMatch: string | undefined,
  ): Promise<Answer> {
    return this.reader.run(id, view, ifNoneMatch);
  }

  @Endpoint(LIST_RUN_EVENTS)
  async events(
    @Param('id') id: string,
    @Query({ schema: EventsQuery }) query: EventsQuery,
    @Req() request: HttpRequest,
    @Res({ passthrough: true }) reply: HttpReply,
  ): Promise<Answer | undefined> {
    const run = await this.reader.placeOf(id);
    if (this.streams.wantedBy(request)) return this.streams.answer(run, query, request, reply);
    return this.reader.events(run, query);
  }

  @Endpoint(LIST_RUN_STEPS)
  steps(@Param('id') id: string, @Query({ schema: RunStepsQuery }) query: RunStepsQuery): Promise<Answer> {
    return this.reader.steps(id, query);
  }

  @Endpoint(GET_STEP)
  step(
    @Param('id') id: string,
    @Param('key') key: string,
    @Query({ schema: NoQuery }) _query: NoQuery,
  ): Promise<Answer> {
    return this.reader.step(id, key);
  }

  @Endpoint(GET_PAYLOAD)
  payload(
    @Param('id') id: string,
    @Param('revision') revision: string,
    @Query({ schema: PayloadQuery }) { pointer }: PayloadQuery,
  ): Promise<Answer> {
    return this.reader.payload(id, revision, pointer);
  }

  @Endpoint(CANCEL_RUN)
  cancel(
    @Param('id') id: string,
    @Query({ schema: NoQuery }) _query: NoQuery,
    @Body({ schema: CancelRequest.optional() }) body: CancelRequest | undefined,
    @Headers() headers: IncomingHttpHeaders,
  ): Promise<Answer> {
    return this.reader.cancel(id, body?.reason ?? null, headers);
  }
}
