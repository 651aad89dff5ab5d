import { Inject, Module } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import type { Tracer } from '#runtime';
import { TRACER } from '../../../modules/src/tokens.js';
import type { ApiAdapter } from '../http/api-adapter.js';
import { HttpModule } from '../http/http.module.js';
import { WorkflowsModule } from '../workflows/workflows.module.js';
import { EventStreams } from './event-streams.js';
import { RunReader } from './run-reader.js';
import { RunHistories } from './run-histories.js';
import { RunStarts } from './run-starts.js';
import { RunsController } from './runs.controller.js';
import { ShownRuns } from './shown-runs.js';
import { traceStarts } from './start-span.js';

/** Runs: started, listed, read, followed, cancelled. */
@Module({
  imports: [HttpModule, WorkflowsModule],
  controllers: [RunsController],
  providers: [RunStarts, RunReader, RunHistories, ShownRuns, EventStreams],
})
export class RunsModule {
  constructor({ httpAdapter }: HttpAdapterHost<ApiAdapter>, @Inject(TRACER) tracer: Tracer | null) {
    if (tracer !== null) traceStarts(httpAdapter.getInstance(), tracer);
  }
}
