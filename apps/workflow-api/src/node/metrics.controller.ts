import { Controller, Query } from '@nestjs/common';
import { MetricsPage } from '#runtime';
import type { Answer } from '../http/answer.js';
import { Endpoint } from '../http/endpoint.js';
import { NoQuery } from '../http/parameters.js';
import { GET_METRICS } from './endpoints/get-metrics.js';

/** `/metrics`: what Prometheus reads. */
@Controller()
export class MetricsController {
  constructor(private readonly page: MetricsPage) {}

  @Endpoint(GET_METRICS)
  async get(@Query({ schema: NoQuery }) _query: NoQuery): Promise<Answer> {
    const headers = { 'content-type': this.page.contentType, 'cache-control': 'no-store' };
    return { text: await this.page.text(), headers };
  }
}
