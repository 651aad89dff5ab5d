import { EventSchemaShape } from '../../docs/service-schemas.js';
import type { EndpointDescription } from '../../http/endpoint.js';

/** Shows the schema of one type of event. */
export const GET_EVENT_SCHEMA: EndpointDescription = {
  method: 'get',
  path: '/schemas/events/{type}.json',
  id: 'getEventSchema',
  tag: 'Service',
  summary: 'The JSON Schema of the data of an event',
  description:
    'Of the data that an event of this type has in the log, in `GET /v1/runs/{id}/events`, and on the topic. What payloads are is up to the ' +
    'workflow. All types are in docs/events.md.',
  parameters: { type: { description: 'The type of the event.', examples: { RunStarted: 'RunStarted' } } },
  answers: { 200: { description: 'JSON Schema 2020-12.', schema: EventSchemaShape } },
  problems: ['event-type-not-found'],
};
