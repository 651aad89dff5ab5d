import type { IncomingHttpHeaders } from 'node:http';
import type { Origin } from '#engine';
import { HttpProblem } from './problems.js';
import { parseTraceparent } from './traceparent.js';

/** Visible ASCII: a header that is sent twice is joined with a blank, which betrays it. */
const ACTOR = /^[\x21-\x7e]{1,255}$/;

/** Who asks, by the caller's own word until there are keys, and in which trace. Throws the problem of a malformed `Stepwell-Actor`. */
export const originOf = (headers: IncomingHttpHeaders): Origin => {
  const actor = headers['stepwell-actor'];
  if (actor !== undefined && (typeof actor !== 'string' || !ACTOR.test(actor))) throw malformed();
  return { actor: actor ?? null, traceparent: parseTraceparent(headers['traceparent']) };
};

const malformed = (): HttpProblem => {
  const detail = 'Give one line of 1 to 255 visible ASCII characters.';
  return new HttpProblem({
    code: 'validation-failed',
    detail: `Stepwell-Actor: ${detail}`,
    errors: [{ pointer: 'Stepwell-Actor', detail }],
  });
};
