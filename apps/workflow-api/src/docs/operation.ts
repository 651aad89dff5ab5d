import type { ProblemCode } from '../http/problems.js';

/** Values of one name, taken by every parameter and the body of an operation, make one request that works as it stands. */
export type ExampleName = string;

export type Operation = {
  readonly id: string;
  readonly tag: 'Workflows' | 'Runs' | 'Service';
  readonly summary: string;
  readonly description?: string;
  /** Parameters in the path and the query by name; headers, which only stand here, with `in`. */
  readonly parameters?: Readonly<Record<string, Parameter>>;
  readonly body?: {
    readonly required: boolean;
    readonly types: readonly string[];
    /** A component. */
    readonly schema: string;
    readonly examples: Readonly<Record<ExampleName, unknown>>;
    /** Types whose examples are texts: how one is made of the value. */
    readonly asText?: Readonly<Record<string, (value: unknown) => string>>;
  };
  readonly answers: Readonly<Record<number, Answer>>;
  /** What it may refuse with, besides what every operation may. */
  readonly problems: readonly ProblemCode[];
};

export type Parameter = {
  readonly in?: 'header';
  readonly required?: boolean;
  readonly description?: string;
  readonly schema?: object;
  readonly examples?: Readonly<Record<ExampleName, string | number>>;
};

export type Answer = {
  readonly description: string;
  /** A component; absent when there is no body. */
  readonly schema?: string;
  readonly headers?: readonly HeaderName[];
  /** Of the same answer in another form. */
  readonly otherTypes?: Readonly<Record<string, string>>;
};

export const HEADERS = {
  'Stepwell-Position': 'Where the log stood; give it as Stepwell-Min-Position to a list that must show this.',
  Location: 'Where it is.',
  'Idempotent-Replayed': '`true` when the key was known: nothing was started by this request.',
  'Preference-Applied': 'The wait that was granted.',
  ETag: 'The version, in quotes.',
} as const;
export type HeaderName = keyof typeof HEADERS;
