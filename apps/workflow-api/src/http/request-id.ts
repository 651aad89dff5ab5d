import type { IncomingMessage, ServerResponse } from 'node:http';
import { systemEntropy } from '#runtime';

const HEADER = 'x-request-id';
const WELL_FORMED = /^[\w.:=+/@-]{1,128}$/;

/** A caller's own id of a request comes back with the answer. One that is malformed is none. */
export const echoRequestId = ({ headers }: IncomingMessage, response: ServerResponse): void => {
  const given = headers[HEADER];
  if (typeof given === 'string' && WELL_FORMED.test(given)) response.setHeader(HEADER, given);
};

/** The id for the lines about a request: the caller's, else one made now, which the answer tells if it has not begun. */
export const requestIdOf = (response: ServerResponse): string => {
  const known = response.getHeader(HEADER);
  if (typeof known === 'string') return known;
  const made = systemEntropy.hex(8);
  if (!response.headersSent) response.setHeader(HEADER, made);
  return made;
};
