import type { FastifyReply, FastifyRequest } from 'fastify';
import { JSON_TYPE } from './raw-answer.js';

export type HttpRequest = FastifyRequest;
export type HttpReply = FastifyReply;

/** Answers with JSON text that is ready. */
export const replyText = (
  reply: HttpReply,
  text: string,
  headers: Readonly<Record<string, string>> = {},
  status = 200,
): void => {
  void reply
    .code(status)
    .headers({ 'content-type': JSON_TYPE, ...headers })
    .send(text);
};
