import { isIP } from 'node:net';
import { resolve } from 'node:path';
import { z } from 'zod';
import { flowLimits } from './flow-limits.js';

/** One environment variable: how its text becomes a value, and all that its page says about it. */
export type Setting<Value> = {
  readonly group: 'Serving' | 'Storage' | 'Logs' | 'Traces' | 'Limits' | 'Dispatcher' | 'Kafka' | 'Stopping';
  readonly unit: string;
  /** As one would write it in the environment: it goes through the same schema. */
  readonly default: string;
  readonly description: string;
  /** Its value may hold a password, and is not shown. */
  readonly secret?: boolean;
  readonly schema: z.ZodType<Value, string>;
};

const refuse = (ctx: z.RefinementCtx<string>, message: string): never => {
  ctx.issues.push({ code: 'custom', message, input: ctx.value });
  return z.NEVER;
};

const integer = (min: number, max: number): z.ZodType<number, string> =>
  z.string().transform((text, ctx) => {
    const value = /^\d{1,15}$/.test(text) ? Number(text) : NaN;
    return value >= min && value <= max ? value : refuse(ctx, `must be a whole number from ${min} to ${max}`);
  });

const oneOf = <const Names extends readonly string[]>(names: Names): z.ZodType<Names[number], string> =>
  z.string().transform((text, ctx): Names[number] => {
    const found = names.find((name) => name === text);
    return found ?? refuse(ctx, `must be one of ${names.join(', ')}`);
  });

const HOST_NAME = /^(?=.{1,253}$)[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*$/;
const host = z.string().transform((text, ctx) => {
  const looksNumeric = /^[\d.]+$/.test(text);
  const known = isIP(text) !== 0 || (!looksNumeric && HOST_NAME.test(text));
  return known ? text : refuse(ctx, 'must be an IP address or a host name, without scheme, port or brackets');
});

const CONNECTION_STRING = /^(esdb|kurrentdb)(\+discover)?:\/\/\S+$/;
const eventStoreDbUrl = z.string().transform((text, ctx): string | null => {
  if (text === 'none') return null;
  return CONNECTION_STRING.test(text) ? text : refuse(ctx, 'must begin with esdb://, esdb+discover:// or kurrentdb://');
});

const POSTGRES = /^postgres(ql)?:$/;
const viewsUrl = z.string().transform((text, ctx): string | null => {
  if (text === 'none') return null;
  const url = URL.parse(text);
  return url !== null && POSTGRES.test(url.protocol) && url.hostname !== ''
    ? text
    : refuse(ctx, 'must be a URL like postgres://user:password@host:5432/database');
});

const collectorUrl = z.string().transform((text, ctx): string | null => {
  if (text === 'none') return null;
  const isHttp = /^https?:\/\/\S+$/.test(text) && URL.canParse(text);
  return isHttp ? text : refuse(ctx, 'must be an http:// or https:// URL');
});

/** What comes of a setting whose default is that there is none. */
const optional = <Value>(schema: z.ZodType<Value, string>): z.ZodType<Value | null, string> =>
  z.string().transform((text, ctx): Value | null => {
    if (text === 'none') return null;
    const parsed = schema.safeParse(text);
    return parsed.success ? parsed.data : refuse(ctx, `${parsed.error.issues[0]!.message}, or \`none\``);
  });

const text = z.string();

/** An append holds 768 KiB: an answer and an output that follows from it, and 16 KiB of the rest. */
const PAYLOAD_MAX_BYTES_MAX = 376 * 1024;

// Hosts and IPv4 addresses alone: the driver cuts at the first colon.
const BROKER = /^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?:\d{1,5}$/;
const brokers = z.string().transform((list, ctx): readonly string[] => {
  if (list === 'none') return [];
  const each = list.split(',').map((broker) => broker.trim());
  return each.every((broker) => BROKER.test(broker))
    ? each
    : refuse(ctx, 'must be a list like kafka-1:9092,kafka-2:9092, or `none`');
});

const topic = z.string().transform((name, ctx): string => {
  const known = /^[A-Za-z0-9._-]{1,249}$/.test(name) && !/^[.]{1,2}$/.test(name);
  return known ? name : refuse(ctx, 'must be 1 to 249 of letters, digits, ".", "_" and "-"');
});

const eventTypes = z.string().transform((list, ctx): 'all' | readonly string[] => {
  if (list === 'all') return 'all';
  const types = list.split(',').map((type) => type.trim());
  const wellFormed = types.every((type) => /^([A-Z][a-z]+)+$/.test(type));
  return wellFormed ? types : refuse(ctx, 'must be `all`, or types of events like RunStarted,RunCompleted');
});

const workflowName = z.string().transform((name, ctx): string => {
  const known = /^[A-Za-z][A-Za-z0-9_-]{0,63}$/.test(name);
  return known ? name : refuse(ctx, 'must be a letter, then up to 63 letters, digits, "_" or "-"');
});

const BLANK_ENDS = /^\s|\s$/;
const dataDir = z.string().transform((text, ctx) =>
  // A folder by such a name would be made without a word, and be another one than the one meant.
  BLANK_ENDS.test(text)
    ? refuse(ctx, 'must be the path of a folder, without blanks at its beginning or end')
    : resolve(text),
);
const archiveDir = z.string().regex(/\S/, 'must be the name of a folder');

const setting = <Value>(
  group: Setting<Value>['group'],
  unit: string,
  schema: Setting<Value>['schema'],
  defaultText: string,
  description: string,
): Setting<Value> => ({ group, unit, schema, default: defaultText, description });

/**
 * Every setting of this version. The order is that of `docs/configuration.md`, which is written from this table
 * (`npm run config:write`).
 */
export const SETTINGS = {
  STEPWELL_HOST: setting('Serving', 'address', host, '127.0.0.1', 'Address to listen on; `0.0.0.0` or `::` for all.'),
  STEPWELL_PORT: setting('Serving', 'port', integer(0, 65_535), '8080', '`0` takes any free port, which is printed.'),

  STEPWELL_EVENT_STORE: setting(
    'Storage',
    '`sqlite`, `memory`, `eventstoredb`',
    oneOf(['sqlite', 'memory', 'eventstoredb']),
    'sqlite',
    'Where the log is kept. `memory` forgets everything at the end of the process; `eventstoredb` is shared by several.',
  ),
  STEPWELL_EVENTSTOREDB_URL: {
    ...setting(
      'Storage',
      'connection string',
      eventStoreDbUrl,
      'none',
      'Of EventStoreDB or KurrentDB, as `esdb://user:password@host:2113`; `?tls=false` for a server without TLS. Needed by `STEPWELL_EVENT_STORE=eventstoredb`.',
    ),
    secret: true as const,
  },
  STEPWELL_DATA_DIR: setting(
    'Storage',
    'folder',
    dataDir,
    './data',
    'Folder of the embedded store and its views; made when it is missing.',
  ),
  STEPWELL_VIEWS_URL: {
    ...setting(
      'Storage',
      'URL',
      viewsUrl,
      'none',
      'Postgres that keeps the views, as `postgres://user:password@host:5432/database`; its user may create schemas there. Without it they are in SQLite in the data folder, for one process.',
    ),
    secret: true,
  },
  STEPWELL_VIEWS_MIN_POSITION_WAIT_MS: setting(
    'Storage',
    'ms',
    integer(0, 600_000),
    '5000',
    'How long a list with `Stepwell-Min-Position` waits for its view, before 503 with `Retry-After`.',
  ),

  STEPWELL_RETENTION_HOURS: setting(
    'Storage',
    'hours',
    integer(0, 876_000),
    '0',
    'How long a run is kept after its end; then its history goes into a file, and its key answers 410. `0` keeps all for ever.',
  ),
  STEPWELL_ARCHIVE_DIR: setting(
    'Storage',
    'folder',
    archiveDir,
    'archive',
    'Where archived runs go; a relative one is below the data folder. See `docs/retention.md`.',
  ),
  STEPWELL_ARCHIVE_RUNS_PER_SECOND: setting(
    'Storage',
    'runs a second',
    integer(1, 100_000),
    '200',
    'Most runs archived in a second, so that archiving disturbs nobody.',
  ),

  STEPWELL_LOG_LEVEL: setting(
    'Logs',
    '`debug`, `info`, `warn`, `error`, `silent`',
    oneOf(['debug', 'info', 'warn', 'error', 'silent']),
    'info',
    'The least serious lines that are still written.',
  ),
  STEPWELL_LOG_FORMAT: setting(
    'Logs',
    '`auto`, `json`, `pretty`',
    oneOf(['auto', 'json', 'pretty']),
    'auto',
    '`auto` is pretty on a terminal and one JSON object a line elsewhere.',
  ),

  STEPWELL_OTLP_URL: setting(
    'Traces',
    'URL',
    collectorUrl,
    'none',
    'Where spans are sent by OTLP over HTTP, as `http://collector:4318/v1/traces`. Without it nothing is traced, and nothing of OpenTelemetry is loaded.',
  ),

  STEPWELL_PAYLOAD_MAX_BYTES: setting(
    'Limits',
    'bytes',
    integer(1_024, PAYLOAD_MAX_BYTES_MAX),
    '262144',
    'Largest payload, as encoded JSON: input, output or answer. At most 376 KiB, so that two fit into one append.',
  ),
  STEPWELL_RUN_PAYLOADS_MAX_BYTES: setting(
    'Limits',
    'bytes',
    integer(1_024, 1_073_741_824),
    '67108864',
    'Most bytes of all payloads of one run together; past them it fails with `Stepwell.RunTooLarge`.',
  ),
  STEPWELL_DEFINITION_MAX_BYTES: setting(
    'Limits',
    'bytes',
    integer(1_024, 524_288),
    '524288',
    'Largest definition as sent, and largest plan made of it.',
  ),
  STEPWELL_PLAN_NODES_MAX: setting('Limits', 'nodes', integer(1, 100_000), '10000', 'Most nodes in one plan.'),
  STEPWELL_NESTING_MAX: setting('Limits', 'levels', integer(1, 256), '32', 'Deepest nesting of nodes.'),
  STEPWELL_BRANCHES_MAX: setting('Limits', 'branches', integer(1, 10_000), '1000', 'Most branches of one parallel.'),
  STEPWELL_EVENTS_MAX: setting(
    'Limits',
    'events',
    integer(100, 1_000_000),
    '500000',
    'Most events of one run; past them it fails with `Stepwell.TooManyEvents`.',
  ),
  STEPWELL_STEPS_MAX: setting(
    'Limits',
    'steps',
    integer(1, 1_000_000),
    '100000',
    'Most steps that one run enters; past them it fails with `Stepwell.TooManySteps`.',
  ),
  STEPWELL_STEP_ATTEMPTS_MAX: setting(
    'Limits',
    'attempts',
    integer(1, 1_000_000),
    '1000',
    'Most attempts of one step, whatever its retry policy says.',
  ),
  STEPWELL_ITEMS_MAX: setting('Limits', 'items', integer(1, 100_000), '10000', 'Most items of one map.'),
  STEPWELL_WAIT_MAX_DAYS: setting('Limits', 'days', integer(1, 3_660), '366', 'Longest wait of one node.'),
  STEPWELL_TAGS_MAX: setting('Limits', 'tags', integer(0, 1_000), '50', 'Most tags of a run or a definition.'),

  STEPWELL_ATTEMPTS_MAX: setting(
    'Dispatcher',
    'attempts',
    integer(1, 65_536),
    '1024',
    'Most attempts in flight at one time.',
  ),
  STEPWELL_ATTEMPTS_PER_ORIGIN_MAX: setting(
    'Dispatcher',
    'attempts',
    integer(1, 65_536),
    '512',
    'Most attempts in flight to one origin. None holds more than it leaves free of all either, so that slow ones cannot take every slot; nor has one endpoint the last eighth of it, where its origin has several.',
  ),
  STEPWELL_CONNECTIONS_PER_ORIGIN_MAX: setting(
    'Dispatcher',
    'connections',
    integer(1, 65_536),
    '512',
    'Most open connections to one origin. Each carries one attempt at a time: fewer than attempts make some wait.',
  ),
  STEPWELL_LIMITS: setting(
    'Dispatcher',
    'list, or file',
    flowLimits,
    '[]',
    'Limits of targets, queues and keys (see `flow-control.md`), as JSON or YAML; or the file that holds them, beginning with `/` or `./`.',
  ),
  STEPWELL_BREAKER_FAULTS: setting(
    'Dispatcher',
    'attempts',
    integer(0, 1_000_000),
    '5',
    'So many in a row, and what fails is left alone for a while: an endpoint after 429, 502, 503, 504 or no answer, an origin that cannot be reached; `0` for never.',
  ),
  STEPWELL_BREAKER_OPEN_MS: setting(
    'Dispatcher',
    'ms',
    integer(1, 3_600_000),
    '1000',
    'How long it is left alone at first, at most; twice as long each time that its probe fails.',
  ),
  STEPWELL_BREAKER_OPEN_MAX_MS: setting(
    'Dispatcher',
    'ms',
    integer(1, 3_600_000),
    '60000',
    'The longest that it is left alone before the next probe; an endpoint for ten times the first wait at most.',
  ),

  STEPWELL_KAFKA_BROKERS: setting(
    'Kafka',
    'host:port, …',
    brokers,
    'none',
    'Brokers to begin with; the others are learnt from them. `none`: nothing is published and no message starts a run.',
  ),
  STEPWELL_KAFKA_TOPIC: setting(
    'Kafka',
    'topic',
    topic,
    'stepwell.run-events',
    'Where events of runs are published, keyed by run (see `docs/kafka.md`).',
  ),
  STEPWELL_KAFKA_EVENTS: setting(
    'Kafka',
    '`all`, or types',
    eventTypes,
    'all',
    'Which events are published, as `RunStarted,RunCompleted,RunFailed`.',
  ),
  STEPWELL_KAFKA_TRIGGER_TOPIC: setting(
    'Kafka',
    'topic',
    optional(topic),
    'none',
    'Each message of this topic starts a run.',
  ),
  STEPWELL_KAFKA_TRIGGER_GROUP: setting(
    'Kafka',
    'group id',
    text,
    'stepwell',
    'The consumer group of all workflow-apis; its committed places say what was started.',
  ),
  STEPWELL_KAFKA_TRIGGER_WORKFLOW: setting(
    'Kafka',
    'workflow',
    optional(workflowName),
    'none',
    'The workflow that is started with the message as its input. `none`: a message is a body of `POST /v1/runs`.',
  ),
  STEPWELL_KAFKA_TRIGGER_KEY_HEADER: setting(
    'Kafka',
    'header',
    text,
    'idempotency-key',
    'Header of a message that holds its idempotency key. Without it the key is topic, partition and offset.',
  ),
  STEPWELL_KAFKA_DEAD_LETTER_TOPIC: setting(
    'Kafka',
    'topic',
    topic,
    'stepwell.dead-letters',
    'Where messages go that can start no run, with the reason in their headers.',
  ),
  STEPWELL_KAFKA_TLS: setting(
    'Kafka',
    '`off`, `on`',
    oneOf(['off', 'on']),
    'off',
    'Whether connections are encrypted. Certificates beyond the usual ones are named by `NODE_EXTRA_CA_CERTS`.',
  ),
  STEPWELL_KAFKA_SASL_MECHANISM: setting(
    'Kafka',
    '`none`, `plain`, `scram-sha-256`, `scram-sha-512`',
    oneOf(['none', 'plain', 'scram-sha-256', 'scram-sha-512']),
    'none',
    'How to log in. `plain` shows the password to whoever reads along, unless TLS is on.',
  ),
  STEPWELL_KAFKA_SASL_USERNAME: setting('Kafka', 'name', text, 'none', 'Needed by every mechanism but `none`.'),
  STEPWELL_KAFKA_SASL_PASSWORD: {
    ...setting('Kafka', 'password', text, 'none', 'Needed by every mechanism but `none`. It is never shown.'),
    secret: true as const,
  },

  STEPWELL_SHUTDOWN_GRACE_MS: setting(
    'Stopping',
    'ms',
    integer(0, 3_600_000),
    '10000',
    'How long attempts in flight may still finish at a stop; the rest are recorded as interrupted and made again.',
  ),
};

export type SettingName = keyof typeof SETTINGS;
export type SettingValues = { readonly [Name in SettingName]: z.output<(typeof SETTINGS)[Name]['schema']> };
