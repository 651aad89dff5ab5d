import type { JsonText } from '#domain';
import { HttpProblem } from '../http/problems.js';

/** The payload, when its encoding is within the limit; the problem is thrown otherwise. */
export const requireWithin = (maxBytes: number, pointer: string, payload: JsonText): JsonText => {
  // A UTF-16 unit takes at most three bytes: most payloads need no closer look.
  if (payload.length * 3 <= maxBytes || Buffer.byteLength(payload) <= maxBytes) return payload;
  throw new HttpProblem({
    code: 'payload-too-large',
    detail: `${pointer}: The payload is larger than ${maxBytes} bytes.`,
    errors: [{ pointer, detail: `At most ${maxBytes} bytes as JSON.` }],
  });
};
