import { Module } from '@nestjs/common';
import { APP_FILTER, APP_PIPE, HttpAdapterHost } from '@nestjs/core';
import { ProcessReport } from '../../../modules/src/process-report.js';
import { ServerClosing, type ApiAdapter } from './api-adapter.js';
import { ProblemFilter } from './problem.filter.js';
import { RouteTable } from './route-table.js';
import { StrictPipe } from './strict.pipe.js';

/** How requests are parsed, answered and refused, whatever they are about. */
@Module({
  providers: [
    { provide: APP_PIPE, useClass: StrictPipe },
    { provide: APP_FILTER, useClass: ProblemFilter },
    { provide: ServerClosing, inject: [HttpAdapterHost], useFactory: (host: Host) => host.httpAdapter.closing },
    { provide: RouteTable, inject: [HttpAdapterHost], useFactory: (host: Host) => host.httpAdapter.routes },
  ],
  exports: [ServerClosing],
})
export class HttpModule {
  constructor({ httpAdapter }: HttpAdapterHost<ApiAdapter>, report: ProcessReport) {
    report.add({ metrics: httpAdapter.counts.sources });
  }
}

type Host = HttpAdapterHost<ApiAdapter>;
