import { Injectable, type CallHandler, type ExecutionContext, type NestInterceptor } from '@nestjs/common';
import { map, type Observable } from 'rxjs';
import type { Answer } from './answer.js';
import type { HttpReply, HttpRequest } from './exchange.js';
import { COMPRESSED_BY } from './compression.js';
import { readPrecondition } from './preconditions.js';
import { HttpProblem } from './problems.js';
import { JSON_TYPE } from './raw-answer.js';

/** Makes a reply of what a handler has answered: position, entity tag, type and text. What is streamed has its reply already. */
@Injectable()
export class AnswerInterceptor implements NestInterceptor<Answer | undefined, string | undefined> {
  intercept(context: ExecutionContext, next: CallHandler<Answer | undefined>): Observable<string | undefined> {
    const request: HttpRequest = context.getArgByIndex(0);
    const reply: HttpReply = context.getArgByIndex(1);
    return next.handle().pipe(map((answer) => (answer === undefined ? undefined : shape(request, reply, answer))));
  }
}

const NOT_SEEN = 'It is not as If-Match wants it: it bears another ETag.';

/** Sets status and headers of the reply, and gives its body. Not `null` where there is none: that would become JSON. */
export const shape = (
  { method, headers: asked }: HttpRequest,
  reply: HttpReply,
  { text, position, etag = null, status, headers }: Answer,
): string | undefined => {
  if (position !== undefined) void reply.header('stepwell-position', String(position));
  if (headers !== undefined) void reply.headers(headers);
  if (status !== undefined) void reply.code(status);
  if (etag !== null) {
    void reply.header('etag', etag);
    const becomes = method === 'GET' || method === 'HEAD' ? readPrecondition(asked, etag) : 'answer';
    if (becomes === 'failed')
      throw new HttpProblem({ code: 'precondition-failed', detail: NOT_SEEN, headers: { etag } });
    if (becomes === 'not-modified') {
      // As the 200 would, were it long.
      void reply.code(304).header('vary', COMPRESSED_BY);
      return undefined;
    }
  }
  if (text === null) return undefined;
  if (headers?.['content-type'] === undefined) void reply.header('content-type', JSON_TYPE);
  return text;
};
