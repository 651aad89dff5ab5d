import { Controller, Query } from '@nestjs/common';
import { NodeInfo } from '#runtime';
import type { Answer } from '../http/answer.js';
import { Endpoint } from '../http/endpoint.js';
import { NoQuery } from '../http/parameters.js';
import { GET_NODE } from './endpoints/get-node.js';

/** `/v1/node`: which build answers, on which store, with which limits. */
@Controller()
export class NodeController {
  constructor(private readonly info: NodeInfo) {}

  @Endpoint(GET_NODE)
  get(@Query({ schema: NoQuery }) _query: NoQuery): Answer {
    return { text: JSON.stringify(this.info) };
  }
}
