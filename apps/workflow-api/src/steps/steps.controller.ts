import { Controller, Headers, Query } from '@nestjs/common';
import type { IncomingHttpHeaders } from 'node:http';
import type { Answer } from '../http/answer.js';
import { Endpoint } from '../http/endpoint.js';
import { LIST_STEPS, StepsQuery } from './endpoints/list-steps.js';
import { StepReader } from './step-reader.js';

/** `/v1/steps`: steps across runs. */
@Controller()
export class StepsController {
  constructor(private readonly reader: StepReader) {}

  @Endpoint(LIST_STEPS)
  list(@Query({ schema: StepsQuery }) query: StepsQuery, @Headers() headers: IncomingHttpHeaders): Promise<Answer> {
    return this.reader.list(query, headers);
  }
}
