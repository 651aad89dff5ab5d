import { z } from 'zod';
import { NextCursor } from './run-schemas.js';

export const ProblemShape = z
  .strictObject({
    type: z.string().describe('An address of this server that explains the problem.'),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    code: z.string(),
    errors: z.array(
      z.strictObject({
        pointer: z.string().describe('A JSON pointer into the body, or the name of a header or parameter.'),
        detail: z.string(),
        line: z.int().nullable().optional(),
        column: z.int().nullable().optional(),
      }),
    ),
    file: z.string().optional().describe('Of `run-archived`: the file that holds the run.'),
  })
  .meta({ id: 'Problem', description: 'RFC 9457.' });

export const ProblemHelpShape = z
  .strictObject({ type: z.string(), code: z.string(), status: z.int(), title: z.string(), help: z.string() })
  .meta({ id: 'ProblemHelp', description: 'What a problem means, and what to do about it.' });
export const ProblemListShape = z
  .strictObject({ items: z.array(ProblemHelpShape), nextCursor: NextCursor })
  .meta({ id: 'ProblemList' });

const Lag = z.strictObject({ events: z.int(), seconds: z.number(), caughtUp: z.boolean() });

export const NodeShape = z
  .looseObject({
    product: z.literal('stepwell'),
    version: z.string(),
    runtime: z.string(),
    eventStore: z.string(),
    startedAt: z.iso.datetime(),
    host: z.string(),
    pid: z.int(),
    roles: z.array(z.enum(['workflow-api', 'dispatcher', 'projector'])),
    shards: z
      .strictObject({ owned: z.int(), acting: z.int(), of: z.int() })
      .describe(
        'Groups of runs: how many of all this process performs the steps of, and for how many it does so already.',
      ),
    takeOvers: z
      .record(z.string(), z.int())
      .nullable()
      .describe(
        'Shards taken since the start: `joined` and `left` in good order, `silent` and `died` from a lost owner.',
      ),
    leads: z.boolean().nullable().describe('Whether this process writes the lists, or stands by; null in others.'),
    lag: Lag.nullable().describe('How far the lists are behind the log; `caughtUp` false: at least so far.'),
    relay: z
      .looseObject({
        leads: z.boolean(),
        status: z.enum(['stopped', 'starting', 'following', 'retrying', 'fenced']),
        error: z.string().nullable(),
        published: z.int(),
        lag: Lag,
      })
      .nullable()
      .describe('What publishes events to Kafka; null where nothing does.'),
    trigger: z
      .looseObject({
        status: z.enum(['stopped', 'starting', 'following', 'retrying']),
        error: z.string().nullable(),
        started: z.int(),
        replayed: z.int(),
        deadLettered: z.int(),
        lag: z.strictObject({ messages: z.int(), seconds: z.number() }),
      })
      .nullable()
      .describe('What starts runs for messages; null where nothing does.'),
    breakers: z
      .array(
        z.strictObject({
          target: z.string().describe('The origin.'),
          endpoint: z
            .string()
            .nullable()
            .describe('Its url that is down; null when the whole origin cannot be reached.'),
          state: z.enum(['open', 'half-open']),
          since: z.iso.datetime(),
          until: z.iso.datetime().nullable().describe('When it is tried again; null when it is being tried.'),
          lastError: z.strictObject({ name: z.string(), cause: z.string().nullable() }).nullable(),
        }),
      )
      .nullable()
      .describe('What is left alone because it is down, at most 100; null where no attempts are made.'),
    attempts: z
      .record(z.string(), z.number())
      .nullable()
      .describe('In flight, waiting for a slot, and what went wrong.'),
    appends: z.int().nullable().describe('To the log since the start; null where nobody counts them.'),
    versions: z.strictObject({
      stepwell: z.string(),
      node: z.string(),
      eventStoreServer: z.string().nullable().describe('Of the server that keeps the log; null when it is embedded.'),
      viewsSchema: z.int().nullable().describe('Of the tables of the lists; null where the process keeps none.'),
    }),
    limits: z.record(z.string(), z.number()),
  })
  .meta({ id: 'Node' });

const PartStatus = z.enum(['ready', 'degraded', 'not-ready']);
export const ReadinessShape = z
  .strictObject({
    status: PartStatus,
    parts: z.record(z.string(), z.strictObject({ status: PartStatus, detail: z.string().nullable() })),
  })
  .meta({ id: 'Readiness' });

export const LivenessShape = z.strictObject({ status: z.literal('alive') }).meta({ id: 'Liveness' });

export const DefinitionSchemaShape = z.looseObject({ $schema: z.string() }).meta({ id: 'DefinitionSchema' });

export const EventSchemaShape = z
  .looseObject({ $schema: z.string(), title: z.string(), description: z.string() })
  .meta({ id: 'EventSchema' });

export const OpenApiShape = z.looseObject({ openapi: z.string() }).meta({ id: 'OpenApi' });
