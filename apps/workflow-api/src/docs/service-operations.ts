import type { Operation } from './operation.js';

/** The operations on the service itself, by method and path. */
export const SERVICE_OPERATIONS: Readonly<Record<string, Operation>> = {
  'get /v1/node': {
    id: 'getNode',
    tag: 'Service',
    summary: 'Which build answers, on which store',
    description:
      'Dispatchers and projectors answer this too, on their own port, beside `/livez`, `/readyz` and `/metrics`: ' +
      'what a process has no part for is null.',
    answers: { 200: { description: 'The process.', schema: 'Node' } },
    problems: [],
  },
  'get /livez': {
    id: 'getLiveness',
    tag: 'Service',
    summary: 'Whether the process lives',
    answers: { 200: { description: 'It does.', schema: 'Liveness' } },
    problems: [],
  },
  'get /readyz': {
    id: 'getReadiness',
    tag: 'Service',
    summary: 'Whether the process can serve',
    answers: { 200: { description: 'It can; `degraded` names what is late or parked.', schema: 'Readiness' } },
    problems: ['not-ready'],
  },
  'get /metrics': {
    id: 'getMetrics',
    tag: 'Service',
    summary: 'What the process counts, for Prometheus',
    description: 'Every metric is told of in docs/metrics.md.',
    answers: {
      200: { description: 'All of them.', otherTypes: { 'text/plain': 'The text format of Prometheus, 0.0.4.' } },
    },
    problems: [],
  },
  'get /problems': {
    id: 'listProblems',
    tag: 'Service',
    summary: 'Every problem with its meaning',
    answers: { 200: { description: 'All of them.', schema: 'ProblemList' } },
    problems: [],
  },
  'get /problems/{code}': {
    id: 'getProblem',
    tag: 'Service',
    summary: 'What a problem means',
    description: 'The `type` of a problem leads here.',
    parameters: { code: { description: 'The code of the problem.', examples: { 'run-ended': 'run-ended' } } },
    answers: { 200: { description: 'The problem.', schema: 'ProblemHelp' } },
    problems: ['problem-not-found'],
  },
  'get /openapi.json': {
    id: 'getOpenApi',
    tag: 'Service',
    summary: 'This document',
    answers: { 200: { description: 'OpenAPI 3.1.', schema: 'OpenApi' } },
    problems: [],
  },
};
