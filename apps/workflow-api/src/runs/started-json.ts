import type { RunStarted } from '#domain';

/** The answer to a start. It holds only what the first event holds, so a repetition gets the same bytes, whenever it comes. */
export const startedText = (started: RunStarted, startedAt: string): string =>
  `{"id":"${started.id}"` +
  `,"key":${JSON.stringify(started.key)}` +
  `,"workflow":${JSON.stringify(started.workflow)}` +
  `,"version":${JSON.stringify(started.version)}` +
  `,"namespace":${JSON.stringify(started.namespace)}` +
  `,"queue":${JSON.stringify(started.queue)}` +
  `,"tags":${JSON.stringify(started.tags)}` +
  `,"correlationId":${JSON.stringify(started.correlationId)}` +
  `,"requestor":${JSON.stringify(started.requestor)}` +
  `,"createdAt":"${startedAt}"` +
  `,"links":{"self":"/v1/runs/${started.id}","events":"/v1/runs/${started.id}/events","cancel":"/v1/runs/${started.id}/cancel"}}`;
