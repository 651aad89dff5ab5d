import { Controller, Query } from '@nestjs/common';
import type { Readiness } from '#runtime';
import { ProcessReport } from '../../../modules/src/process-report.js';
import type { Answer } from '../http/answer.js';
import { Endpoint } from '../http/endpoint.js';
import { NoQuery } from '../http/parameters.js';
import { HttpProblem } from '../http/problems.js';
import { GET_LIVENESS } from './endpoints/get-liveness.js';
import { GET_READINESS } from './endpoints/get-readiness.js';

/** Whether the process lives, and whether it can serve. */
@Controller()
export class HealthController {
  constructor(private readonly report: ProcessReport) {}

  @Endpoint(GET_LIVENESS)
  livez(@Query({ schema: NoQuery }) _query: NoQuery): Answer {
    return { text: '{"status":"alive"}', headers: NO_STORE };
  }

  @Endpoint(GET_READINESS)
  async readyz(@Query({ schema: NoQuery }) _query: NoQuery): Promise<Answer> {
    const readiness = await this.report.readiness();
    if (readiness.status === 'not-ready') throw notReady(readiness);
    return { text: JSON.stringify(readiness), headers: NO_STORE };
  }
}

const NO_STORE = { 'cache-control': 'no-store' };

const notReady = ({ parts }: Readiness): HttpProblem => {
  const late = Object.entries(parts).filter(([, part]) => part.status === 'not-ready');
  const errors = late.map(([name, part]) => ({ pointer: name, detail: part.detail ?? 'It is not ready.' }));
  return new HttpProblem({ code: 'not-ready', detail: `Not ready: ${late.map(([name]) => name).join(', ')}.`, errors });
};
