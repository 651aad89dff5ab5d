import {
  applyDecorators,
  Delete,
  Get,
  HttpCode,
  Post,
  Put,
  SetMetadata,
  UseInterceptors,
  type Type,
} from '@nestjs/common';
import { RouteConfig } from '@nestjs/platform-fastify';
import type { z } from 'zod';
import { AnswerInterceptor } from './answer.interceptor.js';
import type { ProblemCode } from './problems.js';

/** Values of one name, taken by every parameter and the body of an endpoint, make one request that works as it stands. */
export type ExampleName = string;

/** All that is known of an endpoint but its handler: the route, what it takes, what it answers, in words and with examples. */
export type EndpointDescription = {
  readonly method: keyof typeof ROUTES;
  /** As OpenAPI writes it, with names in braces. */
  readonly path: string;
  readonly id: string;
  readonly tag: 'Workflows' | 'Runs' | 'Service';
  readonly summary: string;
  readonly description?: string;
  /** Parameters in the path and the query by name; headers, which only stand here, with `in`. */
  readonly parameters?: Readonly<Record<string, Parameter>>;
  readonly body?: Body;
  /** Of an answer that names none; 200 where it is left out. */
  readonly status?: number;
  readonly answers: Readonly<Record<number, AnswerDescription>>;
  /** What it may refuse with, besides what every endpoint may. */
  readonly problems: readonly ProblemCode[];
};

export type Body = {
  readonly required: boolean;
  readonly types: readonly string[];
  /** Taken too: other names of the same types. */
  readonly otherTypes?: readonly string[];
  /** With an id, which is its name in the document. */
  readonly schema: z.ZodType;
  readonly examples: Readonly<Record<ExampleName, unknown>>;
  /** Types whose examples are texts: how one is made of the value. */
  readonly asText?: Readonly<Record<string, (value: unknown) => string>>;
};

export type Parameter = {
  readonly in?: 'header';
  readonly required?: boolean;
  readonly description?: string;
  readonly schema?: object;
  readonly examples?: Readonly<Record<ExampleName, string | number | readonly string[]>>;
};

export type AnswerDescription = {
  readonly description: string;
  /** With an id, which is its name in the document; absent when there is no body. */
  readonly schema?: z.ZodType;
  /** Its name in `EXAMPLE_ANSWERS`, where it is not the name of the schema. */
  readonly example?: string;
  readonly headers?: readonly HeaderName[];
  /** Of the same answer in another form. */
  readonly otherTypes?: Readonly<Record<string, string>>;
};

export const HEADERS = {
  'Stepwell-Position': 'Where the log stood; give it as Stepwell-Min-Position to a list that must show this.',
  Location: 'Where it is.',
  'Idempotent-Replayed': '`true` when the key was known: nothing was started by this request.',
  'Preference-Applied': 'The wait that was granted.',
  'Retry-After': 'Seconds after which to ask again.',
  ETag: 'Of what is shown, in quotes: it changes when that does.',
} as const;
export type HeaderName = keyof typeof HEADERS;

const ROUTES = { get: Get, post: Post, put: Put, delete: Delete } as const;
const ENDPOINT = 'stepwell:endpoint';

/** Makes a method of a controller the handler of an endpoint. What it returns, an `Answer`, is made a reply of. */
export const Endpoint = (endpoint: EndpointDescription): MethodDecorator =>
  applyDecorators(RouteOf(endpoint), UseInterceptors(AnswerInterceptor));

/**
 * As `Endpoint`, for a handler that shapes its reply itself. Only for the hottest route: an interceptor costs rxjs and a dozen
 * promises a request. Guards, interceptors and filters of the app hold for it as for all others.
 */
export const HotEndpoint = (endpoint: EndpointDescription): MethodDecorator => RouteOf(endpoint);

/** The route, the status of its answers, the types of its body. */
const RouteOf = (endpoint: EndpointDescription): MethodDecorator =>
  applyDecorators(
    ROUTES[endpoint.method](endpoint.path.replace(/\{(\w+)\}/g, ':$1')),
    HttpCode(endpoint.status ?? 200),
    RouteConfig({ endpoint }),
    SetMetadata(ENDPOINT, endpoint),
  );

/** The endpoints that a controller handles, in the order of its methods. */
export const endpointsOf = ({ prototype }: Type): readonly EndpointDescription[] =>
  Object.getOwnPropertyNames(prototype).flatMap((name) => {
    const { value } = Object.getOwnPropertyDescriptor(prototype, name) ?? {};
    const endpoint: unknown = typeof value === 'function' ? Reflect.getMetadata(ENDPOINT, value) : undefined;
    // Under this name nothing else is kept.
    return endpoint === undefined ? [] : [endpoint as EndpointDescription];
  });

/** False of an endpoint without a body; what is no endpoint may take one. */
export const takesBody = (routeConfig: unknown): boolean => {
  // As below.
  const { endpoint } = routeConfig as { readonly endpoint?: EndpointDescription };
  return endpoint === undefined || endpoint.body !== undefined;
};

/** Media types that the endpoint of a route takes as its body; `null`: the route is no endpoint, or takes none. */
export const bodyTypesOf = (routeConfig: unknown): readonly string[] | null => {
  // Fastify leaves open what is in the config of a route: ours is what `Endpoint` puts there.
  const { endpoint } = routeConfig as { readonly endpoint?: EndpointDescription };
  const body = endpoint?.body;
  return body === undefined ? null : [...body.types, ...(body.otherTypes ?? [])];
};
