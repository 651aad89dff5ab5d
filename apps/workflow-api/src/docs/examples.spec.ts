import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { startTestApi, type TestApi } from '../../testing/test-api.js';
import { describeApi } from '../workflow-api.module.js';
import type { OpenApiDocument } from './openapi-document.js';

let api: TestApi;
let document: OpenApiDocument;
let ajv: Ajv2020;
beforeAll(async () => {
  api = await startTestApi();
  // The step of the example that is to be cancelled gets no answer.
  api.owner.held.add('unheard');
  document = await describeApi();
  ajv = new Ajv2020({ strict: false, validateFormats: false });
  ajv.addSchema({ $id: 'openapi', components: document.components });
});
afterAll(() => api.stop());

describe('the schema of a start', () => {
  it.each([
    [{ workflow: 'welcome' }, true],
    [{ definition: { root: { type: 'succeed' } } }, true],
    [{}, false],
    [{ workflow: 'welcome', definition: { root: { type: 'succeed' } } }, false],
  ])('takes %j: %s', (body, isTaken) => {
    expect(ajv.compile({ $ref: 'openapi#/components/schemas/StartRequest' })(body)).toBe(isTaken);
  });

  it('has words for every member', () => {
    const { properties } = document.components.schemas['StartRequest'] as any;
    const wordless = Object.entries<any>(properties).filter(([, { description }]) => description === undefined);
    expect(wordless).toEqual([]);
  });
});

/** The order of the document, but what ends things comes last. */
const LAST = ['discardDraft', 'cancelRun', 'archiveWorkflow'];

describe('every example of the document, in order, on a fresh server', () => {
  it('is answered with what the document promises', async () => {
    const operations = Object.entries(document.paths).flatMap(([path, item]) =>
      Object.entries(item).map(([method, operation]) => ({ path, method, operation: operation as any })),
    );
    const publishFirst = operations.sort((a, b) => rank(a.operation) - rank(b.operation));
    let requests = 0;
    for (const { path, method, operation } of publishFirst) {
      for (const name of exampleNames(operation)) {
        const variants = operation.requestBody === undefined ? [null] : Object.keys(operation.requestBody.content);
        for (const type of variants) {
          await expectPromised({ path, method, operation, name, type });
          requests++;
        }
      }
    }
    expect(requests).toBeGreaterThan(25);
  });
});

const rank = ({ operationId }: any): number =>
  operationId === 'publishWorkflow' ? -1 : operationId === 'startRun' ? 0 : 1 + LAST.indexOf(operationId) + 1;

/** Examples of parameters and body that bear one name belong together; an operation without any is sent as it is. */
const exampleNames = (operation: any): (string | null)[] => {
  const names = new Set<string>();
  for (const parameter of operation.parameters)
    Object.keys(parameter.examples ?? {}).forEach((name) => names.add(name));
  for (const content of Object.values(operation.requestBody?.content ?? {}) as any[])
    Object.keys(content.examples).forEach((name) => names.add(name));
  return names.size === 0 ? [null] : [...names];
};

const expectPromised = async ({ path, method, operation, name, type }: any): Promise<void> => {
  const headers: Record<string, string> = type === null ? {} : { 'content-type': type };
  let url = path;
  const query = new URLSearchParams();
  for (const parameter of operation.parameters) {
    const value = parameter.examples?.[name]?.value;
    if (value === undefined) continue;
    if (parameter.in === 'path') url = url.replace(`{${parameter.name}}`, encodeURIComponent(value));
    if (parameter.in === 'query') for (const each of [value].flat()) query.append(parameter.name, String(each));
    if (parameter.in === 'header') headers[parameter.name] = String(value);
  }
  const example = type === null ? undefined : operation.requestBody.content[type].examples[name]?.value;
  const body = typeof example === 'string' || example === undefined ? example : JSON.stringify(example);
  const response = await fetch(`${api.url}${url}?${query.toString()}`.replace(/\?$/, ''), {
    method,
    headers,
    ...(body === undefined ? {} : { body }),
  });
  const text = await response.text();
  const said = `${method} ${url} ${name}: ${response.status} ${text.slice(0, 300)}`;
  const promised = operation.responses[response.status];
  expect([said, response.ok, promised !== undefined]).toEqual([said, true, true]);
  for (const header of Object.keys(promised.headers ?? {})) {
    if (header !== 'Idempotent-Replayed')
      expect([said, header, response.headers.get(header)]).toEqual([said, header, expect.any(String)]);
  }
  if (promised.content === undefined) return expect([said, text]).toEqual([said, '']);
  if (promised.content['application/json'] === undefined) {
    expect(Object.keys(promised.content)).toContain(response.headers.get('content-type')?.split(';')[0]);
    return;
  }
  const { $ref } = promised.content['application/json'].schema;
  const validate = ajv.compile({ $ref: `openapi${$ref}` });
  expect([said, validate(JSON.parse(text)), validate.errors]).toEqual([said, true, null]);
};
