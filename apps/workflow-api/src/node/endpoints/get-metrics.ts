import type { EndpointDescription } from '../../http/endpoint.js';

/** Shows what the process counts. */
export const GET_METRICS: EndpointDescription = {
  method: 'get',
  path: '/metrics',
  id: 'getMetrics',
  tag: 'Service',
  summary: 'What the process counts, for Prometheus',
  description: 'Every metric is told of in docs/metrics.md.',
  answers: {
    200: { description: 'All of them.', otherTypes: { 'text/plain': 'The text format of Prometheus, 0.0.4.' } },
  },
  problems: [],
};
