import type { IncomingMessage } from 'node:http';
import { systemEntropy } from '#runtime';

/** On every answer, and in the same words on every line of the log about its request. */
export const REQUEST_ID = 'x-request-id';
const WELL_FORMED = /^[\w.:=+/@-]{1,128}$/;

export const freshRequestId = (): string => systemEntropy.hex(8);

/** The id of a request: the caller's own, or one made now when there is none or it is malformed. */
export const requestIdOf = ({ headers }: IncomingMessage): string => {
  const given = headers[REQUEST_ID];
  return typeof given === 'string' && WELL_FORMED.test(given) ? given : freshRequestId();
};
