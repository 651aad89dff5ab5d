import type { DynamicModule, Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { z } from 'zod';
import { DEFAULT_COMPILE_LIMITS, definitionSchemas, NODE_TYPES, nodeSchemaName } from '#domain';
import { PROBLEMS, type ProblemCode } from '../http/problems.js';
import {
  endpointsOf,
  HEADERS,
  type AnswerDescription,
  type Body,
  type EndpointDescription,
  type HeaderName,
  type Parameter,
} from '../http/endpoint.js';
import { EXAMPLE_ANSWERS } from './example-answers.js';
import { EXAMPLE_PROBLEMS } from './example-problems.js';
import { ProblemShape } from './service-schemas.js';
import { DefinitionShape } from './workflow-schemas.js';

export type JsonObject = { readonly [name: string]: unknown };
export type OpenApiDocument = {
  readonly openapi: string;
  readonly info: JsonObject;
  readonly paths: Readonly<Record<string, Readonly<Record<string, JsonObject>>>>;
  readonly components: { readonly schemas: JsonObject; readonly examples: JsonObject };
};

const COMPONENTS = '#/components/schemas/';
const EXAMPLES = '#/components/examples/';
const DESCRIPTION =
  'Durable workflows over HTTP. Every error is a problem (RFC 9457) whose `type` is an address of this server. Lists are paged by cursors. Every answer has an `x-request-id`: the one that the request bears, if it has 1 to 128 letters, digits or `_.:=+/@-`, else a fresh one. The lines of the log about a request have it as `requestId`.';

/**
 * The OpenAPI document of the controllers of some modules: paths and parameters as Nest has them by @nestjs/swagger, words,
 * examples and answers out of the descriptions of the endpoints. Nothing of the service is started for it.
 */
export const createOpenApiDocument = async (modules: readonly Type[]): Promise<OpenApiDocument> => {
  const controllers = modules.flatMap(controllersOf);
  // Loaded here, since it costs a tenth of a second that no start should pay.
  const { DocumentBuilder, SwaggerModule } = await import('@nestjs/swagger');
  const app = await NestFactory.create(documentedModule(controllers), new FastifyAdapter(), {
    preview: true,
    logger: false,
  });
  const config = new DocumentBuilder()
    .setOpenAPIVersion('3.1.0')
    .setTitle('Stepwell')
    .setDescription(DESCRIPTION)
    .setVersion('1')
    .build();
  const scanned = SwaggerModule.createDocument(app, config, {
    standardSchemaConverter: (schema) => (schema instanceof z.ZodType ? { schema: jsonSchema(schema) } : undefined),
  });
  await app.close();
  const paths: Record<string, Record<string, JsonObject>> = {};
  for (const endpoint of controllers.flatMap(endpointsOf)) {
    const { method, path } = endpoint;
    // The compiler knows path items by their methods, here one is picked by its name.
    const item = scanned.paths[path] as Record<string, { parameters?: ScannedParameter[] }>;
    (paths[path] ??= {})[method] = documented(endpoint, item[method]?.parameters ?? []);
  }
  const { openapi, info } = scanned;
  // Through JSON, so that nothing is left that JSON does not have.
  return JSON.parse(
    JSON.stringify({
      openapi,
      info: { ...info, license: { name: 'Apache-2.0', identifier: 'Apache-2.0' } },
      tags: TAGS,
      paths,
      components: {
        schemas: componentSchemas(),
        examples: exampleObjects({ ...EXAMPLE_ANSWERS, ...EXAMPLE_PROBLEMS }),
      },
    }),
  ) as OpenApiDocument;
};

class DocumentedModule {}

/** The controllers alone. In preview nothing is made, so that what they are given may be nothing. */
const documentedModule = (controllers: readonly Type[]): DynamicModule => ({
  module: DocumentedModule,
  controllers: [...controllers],
  providers: controllers.flatMap(needsOf).map((provide) => ({ provide, useValue: null })),
});

// Under these names Nest and the compiler keep what the types say here.
const controllersOf = (module: Type): readonly Type[] =>
  (Reflect.getMetadata('controllers', module) ?? []) as readonly Type[];
const needsOf = (controller: Type): readonly Type[] =>
  (Reflect.getMetadata('design:paramtypes', controller) ?? []) as readonly Type[];

const TAGS = [
  { name: 'Workflows', description: 'Named templates; each published version is immutable.' },
  { name: 'Runs', description: 'Executions of one version.' },
  { name: 'Service', description: 'The service itself.' },
];

type ScannedParameter = {
  readonly name: string;
  readonly in: string;
  readonly required?: boolean;
  readonly schema?: JsonObject;
  readonly description?: string;
};

const documented = (endpoint: EndpointDescription, scanned: readonly ScannedParameter[]): JsonObject => {
  const { id, tag, summary, description, parameters = {}, body, answers } = endpoint;
  const known = scanned.filter((parameter) => parameter.in === 'path' || parameter.in === 'query');
  const headers = Object.entries(parameters).filter(([, parameter]) => parameter.in === 'header');
  return {
    operationId: id,
    tags: [tag],
    summary,
    ...(description === undefined ? undefined : { description }),
    parameters: [
      ...known.map((parameter) => withWords(parameter, parameters[parameter.name])),
      ...headers.map(([name, parameter]) =>
        withWords({ name, in: 'header', required: parameter.required ?? false }, parameter),
      ),
    ],
    ...(body === undefined ? undefined : { requestBody: requestBody(body) }),
    responses: {
      ...Object.fromEntries(Object.entries(answers).map(([status, answer]) => [status, response(answer)])),
      ...problemResponses(problemsOf(endpoint)),
    },
  };
};

const withWords = (parameter: ScannedParameter, words: Parameter | undefined): JsonObject => {
  const { description: schemaWords, ...schema } = {
    type: 'string',
    ...parameter.schema,
    ...words?.schema,
  } as JsonObject;
  const description = words?.description ?? parameter.description ?? schemaWords;
  return {
    name: parameter.name,
    in: parameter.in,
    required: parameter.in === 'path' || parameter.required === true,
    ...(description === undefined ? undefined : { description }),
    schema,
    ...(words?.examples === undefined ? undefined : { examples: exampleObjects(words.examples) }),
  };
};

const exampleObjects = (examples: JsonObject): JsonObject =>
  Object.fromEntries(Object.entries(examples).map(([name, value]) => [name, { value }]));

const requestBody = ({ required, types, schema, examples, asText = {} }: Body): JsonObject => ({
  required,
  content: Object.fromEntries(
    types.map((type) => {
      const write = asText[type] ?? ((value: unknown) => value);
      const written = Object.fromEntries(Object.entries(examples).map(([name, value]) => [name, write(value)]));
      return [type, { schema: ref(schema), examples: exampleObjects(written) }];
    }),
  ),
});

/** By reference: one example serves many answers. */
const exampleRefs = (names: readonly string[]): JsonObject =>
  Object.fromEntries(names.map((name) => [name, { $ref: `${EXAMPLES}${name}` }]));

const response = ({ description, schema, example, headers = [], otherTypes = {} }: AnswerDescription): JsonObject => ({
  description,
  ...headerObjects(headers),
  ...(schema === undefined && Object.keys(otherTypes).length === 0
    ? undefined
    : {
        content: {
          ...(schema === undefined
            ? undefined
            : { 'application/json': { schema: ref(schema), examples: exampleRefs([example ?? nameOf(schema)]) } }),
          ...Object.fromEntries(
            Object.entries(otherTypes).map(([type, words]) => [
              type,
              { schema: { type: 'string', description: words } },
            ]),
          ),
        },
      }),
});

/** Any request may be wrong in its parameters or body. */
const ALWAYS: readonly ProblemCode[] = ['validation-failed', 'internal-error'];

/** Any body may be no JSON, or not the JSON that is taken, or too large; one that may be YAML may be no YAML. */
const problemsOfBody = ({ types }: Body): readonly ProblemCode[] => [
  'malformed-json',
  ...(types.some((type) => type.endsWith('yaml')) ? (['malformed-yaml'] as const) : []),
  ...(['duplicate-key', 'forbidden-key', 'number-out-of-range', 'invalid-string', 'invalid-encoding'] as const),
  ...(['too-deep', 'too-many-keys', 'payload-too-large', 'unsupported-media-type', 'request-timeout'] as const),
];

/** All that an endpoint may refuse with. What has an entity tag may be read on condition. */
export const problemsOf = ({ method, body, answers, problems }: EndpointDescription): readonly ProblemCode[] => {
  const isTagged = method === 'get' && answers[200]?.headers?.includes('ETag') === true;
  return [
    ...new Set([
      ...ALWAYS,
      ...(body === undefined ? [] : problemsOfBody(body)),
      ...(isTagged ? (['precondition-failed'] as const) : []),
      ...problems,
    ]),
  ];
};

/** Headers of the answers of some status. */
const PROBLEM_HEADERS: Readonly<Record<number, readonly HeaderName[]>> = { 412: ['ETag'], 503: ['Retry-After'] };

const headerObjects = (names: readonly HeaderName[]): JsonObject =>
  names.length === 0
    ? {}
    : {
        headers: Object.fromEntries(
          names.map((name) => [name, { description: HEADERS[name], schema: { type: 'string' } }]),
        ),
      };

const problemResponses = (codes: readonly ProblemCode[]): JsonObject => {
  const byStatus = Map.groupBy(codes, (code) => PROBLEMS[code][0]);
  return Object.fromEntries(
    [...byStatus].map(([status, each]) => [
      String(status),
      {
        description: each.map((code) => `\`${code}\``).join(', '),
        ...headerObjects(PROBLEM_HEADERS[status] ?? []),
        content: { 'application/problem+json': { schema: ref(ProblemShape), examples: exampleRefs(each) } },
      },
    ]),
  );
};

/** To the component that a schema with an id is. */
const ref = (schema: z.ZodType): JsonObject => ({ $ref: `${COMPONENTS}${nameOf(schema)}` });
const nameOf = (schema: z.ZodType): string => String(schema.meta()?.id);

const CONVERSION = {
  io: 'input',
  unrepresentable: 'any',
  override: ({ jsonSchema: schema }: { readonly jsonSchema: { format?: string; pattern?: string } }): void => {
    // The pattern of a whole calendar says less to a reader than the name of the format.
    if (schema.format === 'date-time' || schema.format === 'uuid') delete schema.pattern;
  },
} as const;

const jsonSchema = (schema: z.ZodType): JsonObject => {
  return withoutIdentity(z.toJSONSchema(schema, CONVERSION));
};

/** All schemas that have an id, by its order; those inside others become references. */
const componentSchemas = (): JsonObject => {
  const { schemas } = z.toJSONSchema(z.globalRegistry, { ...CONVERSION, uri: (id) => `${COMPONENTS}${id}` });
  const ofDefinitions = definitionComponents();
  const taken = Object.keys(ofDefinitions).filter((id) => id in schemas && id !== DefinitionShape.meta()?.id);
  if (taken.length > 0) throw new Error(`two components are named ${taken.join(', ')}`);
  const inOrder = Object.entries<object>({ ...schemas, ...ofDefinitions }).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(inOrder.map(([id, schema]) => [id, withoutIdentity(schema)]));
};

/** What may stand in a definition; who shows it is told which member tells one node from another. */
const definitionComponents = (): Readonly<Record<string, JsonObject>> => {
  const text = JSON.stringify(definitionSchemas(DEFAULT_COMPILE_LIMITS)).replaceAll('#/$defs/', COMPONENTS);
  // Schemas by name, as the domain has made them.
  const schemas = JSON.parse(text) as Record<string, JsonObject>;
  const mapping = Object.fromEntries(NODE_TYPES.map((type) => [type, `${COMPONENTS}${nodeSchemaName(type)}`]));
  return { ...schemas, TreeNode: { ...schemas['TreeNode'], discriminator: { propertyName: 'type', mapping } } };
};

/** A component is named by its place in the document. */
const withoutIdentity = (schema: object): JsonObject =>
  Object.fromEntries(Object.entries(schema).filter(([name]) => name !== '$schema' && name !== '$id'));
