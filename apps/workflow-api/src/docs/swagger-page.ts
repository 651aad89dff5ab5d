import { hash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { RequestListener } from 'node:http';
import { createRequire } from 'node:module';

const DOCUMENT_PATH = '/openapi.json';
/** Where the page and its files are. */
export const PAGE_PATH = '/docs/';

/** What the page asks for; of the other files in the package of Swagger UI none is ours to serve. */
export const ASSETS: ReadonlySet<string> = new Set([
  '',
  'swagger-ui.css',
  'swagger-ui-bundle.js',
  'swagger-ui-standalone-preset.js',
  'swagger-ui-init.js',
  'favicon-16x16.png',
  'favicon-32x32.png',
]);

/** Without a validator: the default one is another host. */
const OPTIONS = {
  swaggerUrl: DOCUMENT_PATH,
  customSiteTitle: 'Stepwell API',
  customCss: '',
  swaggerOptions: { validatorUrl: null, tryItOutEnabled: true },
};

type Handler = (request: never, response: ExpressResponse, next: () => void) => void;
type ExpressResponse = { set(headers: Readonly<Record<string, string>>): void };
type SwaggerUi = {
  generateHTML(document: undefined, options: object): string;
  serveFiles(document: undefined, options: object): readonly Handler[];
  setup(document: undefined, options: object): Handler;
};
type Express = RequestListener & {
  disable(setting: string): void;
  use(path: string, ...handlers: readonly (Handler | readonly Handler[])[]): void;
};

/**
 * Swagger UI as swagger-ui-express makes it: handlers of Express, in an Express application of their own. It is made at the
 * first request for the page, so that its packages cost nothing before, and no other request ever meets Express.
 */
export const createSwaggerPage = (): RequestListener => {
  const require = createRequire(import.meta.url);
  // Both packages are CommonJS without types.
  const express = require('express') as () => Express;
  const swaggerUi = require('swagger-ui-express') as SwaggerUi;
  const preset = readFileSync(require.resolve('swagger-ui-dist/swagger-ui-standalone-preset.js'), 'utf8');
  const headers = {
    'content-security-policy': contentPolicy(swaggerUi.generateHTML(undefined, OPTIONS), preset),
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'no-referrer',
  };
  const app = express();
  app.disable('x-powered-by');
  const withHeaders: Handler = (_request, response, next) => {
    response.set(headers);
    next();
  };
  app.use(PAGE_PATH, withHeaders, swaggerUi.serveFiles(undefined, OPTIONS), swaggerUi.setup(undefined, OPTIONS));
  return app;
};

/** Nothing of another host, no script in the page; the styles that it does hold, or that its script draws, are named by their hashes. */
const contentPolicy = (html: string, script: string): string => {
  const blocks = [...html.matchAll(/<style>([\s\S]*?)<\/style>/g)].map((match) => match[1]!);
  const attributes = [...html.matchAll(/ style="([^"]*)"/g)].map((match) => match[1]!);
  // Of the logo in the bar at the top.
  const drawn = [...script.matchAll(/createElement\("style",null,"([^"\\]*)"\)/g)].map((match) => match[1]!);
  const hashes = [...blocks, ...attributes, ...drawn].map((style) => `'sha256-${hash('sha256', style, 'base64')}'`);
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
