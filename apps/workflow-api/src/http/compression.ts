import { brotliCompress, constants, gzip } from 'node:zlib';
import type { FastifyInstance } from 'fastify';

/** The header by which an answer is compressed or not, for `Vary`. */
export const COMPRESSED_BY = 'accept-encoding';

/** What is no longer gains less than the work costs. */
const SENT_AS_IT_IS_MAX_CHARS = 1_024;

/** The best quality takes a hundred times as long as this one, for a fifth less. */
const BROTLI = {
  params: { [constants.BROTLI_PARAM_QUALITY]: 4, [constants.BROTLI_PARAM_MODE]: constants.BROTLI_MODE_TEXT },
};

/** Compresses answers of more than 1 KiB for clients that take br or gzip, on the threads of zlib. Streams go as they are. */
export const compressAnswers = (fastify: FastifyInstance): void => {
  fastify.addHook('onSend', (request, reply, payload, done) => {
    if (typeof payload !== 'string' || payload.length <= SENT_AS_IT_IS_MAX_CHARS) return done(null, payload);
    void reply.header('vary', COMPRESSED_BY);
    const coding = codingFor(request.headers[COMPRESSED_BY]);
    if (coding === null) return done(null, payload);
    void reply.header('content-encoding', coding);
    if (coding === 'br') brotliCompress(payload, BROTLI, done);
    else gzip(payload, done);
  });
};

/** The coding that an Accept-Encoding likes best (RFC 9110, 12.5.3), `null`: none. Of two that it likes alike, br. */
export const codingFor = (header: string | undefined): 'br' | 'gzip' | null => {
  if (header === undefined) return null;
  const weights = new Map<string, number>();
  for (const item of header.toLowerCase().split(',')) {
    const [name = '', ...parameters] = item.split(';').map((part) => part.trim());
    const weight = Number(parameters.find((text) => text.startsWith('q='))?.slice(2) ?? 1);
    weights.set(name === 'x-gzip' ? 'gzip' : name, weight > 0 && weight <= 1 ? weight : 0);
  }
  const weightOf = (name: string): number => weights.get(name) ?? weights.get('*') ?? 0;
  const best = weightOf('gzip') > weightOf('br') ? 'gzip' : 'br';
  return weightOf(best) > 0 && weightOf(best) >= (weights.get('identity') ?? 0) ? best : null;
};
