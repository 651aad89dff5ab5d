import { hash } from 'node:crypto';
import { createRequire } from 'node:module';
import type { FastifyInstance, FastifyReply } from 'fastify';
import { problemHeaders, problemStatus, problemText } from '../http/problems.js';

const PREFIX = '/docs/';
const DOCUMENT_PATH = '/openapi.json';
/** What the page asks for; of the other files in that package none is ours to serve. */
const ASSETS = new Set([
  'swagger-ui.css',
  'swagger-ui-bundle.js',
  'swagger-ui-standalone-preset.js',
  'favicon-16x16.png',
  'favicon-32x32.png',
]);

type InitRequest = { readonly url: string };
type InitReply = {
  set(name: string, value: string): void;
  send(text: string): void;
  sendStatus(status: number): void;
};
type SwaggerUi = {
  generateHTML(document: undefined, options: object): string;
  serveFiles(
    document: undefined,
    options: object,
  ): readonly ((request: InitRequest, reply: InitReply, next: () => void) => void)[];
};

/**
 * Swagger UI as a server of its own behind `/docs`. It is made at the first request that asks for it, so that its
 * packages (Express among them, which swagger-ui-express loads and nobody calls) cost nothing before.
 */
export const createSwaggerPage = async (): Promise<FastifyInstance> => {
  const { fastify } = await import('fastify');
  const { default: fastifyStatic } = await import('@fastify/static');
  const require = createRequire(import.meta.url);
  // Both packages are CommonJS without types.
  const swaggerUi = require('swagger-ui-express') as SwaggerUi;
  const assetsDir = (require('swagger-ui-dist/absolute-path') as () => string)();
  // Without a validator: the default one is another host.
  const options = {
    swaggerUrl: DOCUMENT_PATH,
    customSiteTitle: 'Stepwell API',
    customCss: '',
    swaggerOptions: { validatorUrl: null, tryItOutEnabled: true },
  };
  const html = swaggerUi.generateHTML(undefined, options).replaceAll('"./', `"${PREFIX}`);
  const [init] = swaggerUi.serveFiles(undefined, options);
  const app = fastify();
  const policy = contentPolicy(html);
  app.addHook('onSend', (_request, reply, _payload, done) => {
    reply.headers({
      'content-security-policy': policy,
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
    });
    done();
  });
  const page = (_request: unknown, reply: FastifyReply) => reply.type('text/html; charset=utf-8').send(html);
  app.get('/docs', page);
  app.get(PREFIX, page);
  app.get(`${PREFIX}swagger-ui-init.js`, (request, reply) => {
    init!({ url: request.url }, replyFor(reply), () => reply.callNotFound());
    return reply;
  });
  app.setNotFoundHandler((_request, reply) => {
    const problem = {
      code: 'route-not-found',
      detail: 'There is nothing at this address of the documentation.',
    } as const;
    return reply.code(problemStatus(problem)).headers(problemHeaders(problem)).send(problemText(problem));
  });
  await app.register(fastifyStatic, {
    root: assetsDir,
    prefix: PREFIX,
    index: false,
    cacheControl: true,
    maxAge: '1h',
    allowedPath: (path) => ASSETS.has(path.replace(/^\//, '')),
  });
  await app.ready();
  return app;
};

/** The three calls of Express that the init handler makes, over Fastify's reply. */
const replyFor = (reply: FastifyReply): InitReply => ({
  set: (name, value) => void reply.header(name, value),
  send: (text) => void reply.send(text),
  sendStatus: (status) => void reply.code(status).send(''),
});

/** Nothing of another host, no script in the page; the styles that the page does hold are named by their hashes. */
const contentPolicy = (html: string): string => {
  const blocks = [...html.matchAll(/<style>([\s\S]*?)<\/style>/g)].map((match) => match[1]!);
  const attributes = [...html.matchAll(/ style="([^"]*)"/g)].map((match) => match[1]!);
  const hashes = [...blocks, ...attributes].map((style) => `'sha256-${hash('sha256', style, 'base64')}'`);
  return [
    "default-src 'none'",
    "script-src 'self'",
    `style-src 'self' 'unsafe-hashes' ${hashes.join(' ')}`,
    "img-src 'self' data:",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; ');
};
