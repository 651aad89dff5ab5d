import type { FastifyReply, FastifyRequest } from 'fastify';
import type { RunId } from '#engine';

/** A request; `runId` is what it is about, once its handler knows. */
export type HttpRequest = FastifyRequest & { runId?: RunId | null };
export type HttpReply = FastifyReply;
