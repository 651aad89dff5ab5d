import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { hash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { NODE_TYPES, nodeSchemaName } from '#domain';
import { startTestApi, type TestApi } from '../../testing/test-api.js';
import { OPENAPI_PATH, openApiYaml } from './openapi-yaml.js';
import { HELD_DEFINITION, WELCOME_DEFINITION } from './example-definitions.js';
import { PROBLEMS } from '../http/problems.js';
import { describeApi } from '../workflow-api.module.js';

/** Answered before a route is known, whatever was asked for. */
const OF_THE_EDGE = [
  'bad-request',
  'expectation-failed',
  'header-too-large',
  'method-not-allowed',
  'route-not-found',
  'uri-too-long',
];
/** Of the statuses that guards and filters may answer with: whoever adds one documents it. */
const OF_GUARDS = [
  'conflict',
  'forbidden',
  'not-acceptable',
  'request-failed',
  'request-refused',
  'too-many-requests',
  'unauthorized',
];

/** Compiled files lie in `dist`, one folder below the root. */
const ROOT = join(import.meta.dirname, '../../../../..');

let api: TestApi;
beforeAll(async () => {
  api = await startTestApi();
});
afterAll(() => api.stop());

describe('the OpenAPI document', () => {
  it('is the contract file, to the letter', async () => {
    const running = await (await fetch(`${api.url}/openapi.json`)).json();
    const file = readFileSync(join(ROOT, OPENAPI_PATH), 'utf8');
    expect(parse(file)).toEqual(running);
    expect(file).toBe(openApiYaml(await describeApi()));
  });

  it('says what may stand in a definition, down to the last node', async () => {
    const { components } = await describeApi();
    const said = new Set<string>();
    const silent: string[] = [];
    const walk = (schema: any, at: string): void => {
      if (schema.$ref !== undefined) {
        const name = schema.$ref.slice('#/components/schemas/'.length);
        // The input and the output of a node are any JSON.
        if (said.has(name) || name === 'Constant') return;
        said.add(name);
        return walk(components.schemas[name], name);
      }
      const open = schema.properties === undefined && schema.additionalProperties === undefined;
      const says = ['const', 'enum', 'oneOf', 'items'].some((keyword) => keyword in schema);
      const isText = [schema.type].flat().some((type) => ['string', 'integer', 'number', 'boolean'].includes(type));
      if (open && !says && !isText) silent.push(at);
      for (const [key, member] of Object.entries(schema.properties ?? {})) walk(member, `${at}.${key}`);
      for (const each of [schema.items, schema.additionalProperties, ...(schema.oneOf ?? [])])
        if (typeof each === 'object') walk(each, `${at}[]`);
    };
    walk(components.schemas['Definition'], 'Definition');
    expect(silent).toEqual([]);
    expect([...said].sort()).toEqual(
      [
        ...NODE_TYPES.map(nodeSchemaName),
        'TreeNode',
        'ChoiceRule',
        'Value',
        'Retry',
        'StepTimeouts',
        'Timeouts',
      ].sort(),
    );
  });

  it('tells of every route and of no other', async () => {
    const { paths } = await describeApi();
    const told = Object.entries(paths).flatMap(([path, item]) =>
      Object.keys(item).map((method) => `${method} ${path}`),
    );
    const served = api.adapter.routes
      .entries()
      .filter(({ url }) => !url.startsWith('/docs'))
      .flatMap(({ url, methods }) =>
        methods
          .filter((method) => method !== 'HEAD')
          .map((method) => `${method.toLowerCase()} ${url.replace(/:(\w+)/g, '{$1}')}`),
      );
    expect(told.sort()).toEqual(served.sort());
  });

  it('tells of every code of a problem where it is answered, but for those before a route is known', async () => {
    const { paths } = await describeApi();
    const told = new Set<string>();
    for (const item of Object.values(paths) as any[]) {
      for (const { responses } of Object.values(item) as any[]) {
        for (const { content } of Object.values(responses) as any[])
          for (const code of Object.keys(content?.['application/problem+json']?.examples ?? {})) told.add(code);
      }
    }
    expect(told.size).toBeGreaterThan(20);
    const untold = Object.keys(PROBLEMS).filter((code) => !told.has(code));
    expect(untold.sort()).toEqual([...OF_THE_EDGE, ...OF_GUARDS].sort());
  });

  it('names Stepwell-Actor at the routes that read it, which record who has asked, and at no other', async () => {
    const { paths } = await describeApi();
    const inPath = { name: 'welcome', version: '1', key: 'create-user', code: 'run-ended' };
    const headers = { 'content-type': 'application/json', 'idempotency-key': 'by-whom' };
    const started = await fetch(`${api.url}/v1/runs`, { method: 'POST', headers, body: '{"workflow":"welcome"}' });
    const { id } = (await started.json()) as { id: string };
    const named: string[] = [];
    const reading: string[] = [];
    for (const [path, item] of Object.entries(paths)) {
      for (const [method, { parameters, requestBody }] of Object.entries(item) as [string, any][]) {
        if (parameters.some(({ name }: any) => name === 'Stepwell-Actor')) named.push(`${method} ${path}`);
        const url = path.replaceAll(/\{(\w+)\}/g, (_, name: string) => ({ ...inPath, id })[name as 'id']);
        const answer = await fetch(`${api.url}${url}`, {
          method,
          headers: { 'stepwell-actor': 'two words', ...(requestBody === undefined ? {} : headers) },
          ...(requestBody === undefined ? {} : { body: '{}' }),
        });
        if ((await answer.text()).includes('"pointer":"Stepwell-Actor"')) reading.push(`${method} ${path}`);
      }
    }
    expect(reading.length).toBeGreaterThan(5);
    expect(named).toEqual(reading);
  });

  it('has an example for every parameter that is required, and for every body', async () => {
    const { paths } = await describeApi();
    for (const [path, item] of Object.entries(paths)) {
      for (const [method, operation] of Object.entries(item) as [string, any][]) {
        const lacking = operation.parameters.filter(
          (parameter: any) => parameter.required && parameter.examples === undefined,
        );
        expect([method, path, lacking]).toEqual([method, path, []]);
        for (const content of Object.values(operation.requestBody?.content ?? {}) as any[])
          expect(Object.keys(content.examples ?? {}).length).toBeGreaterThan(0);
      }
    }
  });
});

describe('Swagger UI', () => {
  it('is a page whose scripts and styles come from its own folder, under a strict policy', async () => {
    for (const path of ['/docs', '/docs/']) {
      const response = await fetch(`${api.url}${path}`);
      const html = await response.text();
      expect([response.status, response.headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8']);
      const policy = response.headers.get('content-security-policy')!;
      expect(policy).toContain("default-src 'none'; script-src 'self';");
      expect(policy).not.toContain('unsafe-inline');
      expect(policy).not.toContain('unsafe-eval');
      const scripts = [...html.matchAll(/<script src="([^"]+)"/g)].map((match) => match[1]!);
      expect(scripts).toEqual(['./swagger-ui-bundle.js', './swagger-ui-standalone-preset.js', './swagger-ui-init.js']);
      expect(html).not.toMatch(/<script>/);
      expect(html).not.toMatch(/(?:src|href)="(?!\.\/)/);
      expect(response.url).toBe(`${api.url}/docs/`);
      for (const asset of [...scripts, './swagger-ui.css', './favicon-32x32.png']) {
        const got = await fetch(new URL(asset, response.url));
        expect([asset, got.status, got.headers.get('content-security-policy')]).toEqual([asset, 200, policy]);
        expect(Number((await got.arrayBuffer()).byteLength)).toBeGreaterThan(100);
      }
    }
  });

  it('names every style that the page holds or that its scripts draw', async () => {
    const { headers } = await fetch(`${api.url}/docs/`);
    const html = await (await fetch(`${api.url}/docs/`)).text();
    const preset = await (await fetch(`${api.url}/docs/swagger-ui-standalone-preset.js`)).text();
    const styles = [...html.matchAll(/<style>([^<]*)<\/style>/g), ...preset.matchAll(/"style",null,"([^"]*)"/g)];
    expect(styles).toHaveLength(3);
    for (const [, style] of styles)
      expect(headers.get('content-security-policy')).toContain(`'sha256-${hash('sha256', style!, 'base64')}'`);
  });

  it('reads the document of this server, and asks no other host to check it', async () => {
    const init = await (await fetch(`${api.url}/docs/swagger-ui-init.js`)).text();
    expect(init).toContain('"swaggerUrl": "/openapi.json"');
    expect(init).toContain('"validatorUrl": null');
    expect(init).not.toMatch(/https?:\/\//);
  });

  it.each(['package.json', 'index.html', 'swagger-ui-bundle.js.map', '../package.json', '%2e%2e/package.json', 'nope'])(
    'does not serve %s',
    async (name) => {
      const response = await api.app.inject({ url: `/docs/${name}` });
      expect(response.statusCode).toBe(404);
      expect(JSON.parse(response.body).code).toBe('route-not-found');
    },
  );
});

describe('GET /schemas/definition.json', () => {
  it('is a schema that definitions fit, and that says where one does not', async () => {
    const response = await fetch(`${api.url}/schemas/definition.json`);
    expect(response.headers.get('content-type')).toContain('application/json');
    const fits = new Ajv2020({ strict: false, allErrors: true }).compile((await response.json()) as object);
    expect([fits(WELCOME_DEFINITION), fits(HELD_DEFINITION)]).toEqual([true, true]);
    expect(fits({ root: { type: 'sequence', steps: [{ type: 'pass', nam: 'a' }] } })).toBe(false);
    expect(fits.errors?.map(({ instancePath }) => instancePath)).toContain('/root/steps/0');
  });
});
