import { resolve } from 'node:path';
import type { FlowLimit } from './flow-limits.js';
import { nearestNames } from './nearest-names.js';
import { SETTINGS, type SettingName, type SettingValues } from './settings.js';

/** All settings of the process, parsed once at its start. */
export type Config = {
  readonly http: { readonly host: string; readonly port: number };
  /** Absolute. */
  readonly dataDir: string;
  readonly eventStore: 'sqlite' | 'memory' | 'eventstoredb';
  /** Not null when `eventStore` is `eventstoredb`. The URL may hold a password. */
  readonly eventStoreDb: { readonly url: string } | null;
  readonly log: LogConfig;
  /** `otlpUrl` null: nothing is traced. */
  readonly traces: { readonly otlpUrl: string | null };
  readonly limits: Limits;
  readonly dispatch: DispatchConfig;
  readonly kafka: KafkaConfig;
  readonly shutdown: { readonly graceMs: number };
  /** The URL may hold a password; `null` means SQLite in the data folder. */
  readonly views: { readonly url: string | null; readonly minPositionWaitMs: number };
  readonly retention: RetentionConfig;
};

export type RetentionConfig = {
  /** How long a run is kept after its end; `null`: for ever. */
  readonly ageMs: number | null;
  /** Absolute. */
  readonly archiveDir: string;
  readonly runsPerSecond: number;
};

export type LogConfig = {
  readonly level: 'debug' | 'info' | 'warn' | 'error' | 'silent';
  readonly format: 'auto' | 'json' | 'pretty';
};

/** What is refused at the door, or fails a step by name. */
export type Limits = {
  readonly payloadMaxBytes: number;
  /** Of all payloads of a run together. */
  readonly payloadsMaxBytes: number;
  readonly definitionMaxBytes: number;
  readonly planNodesMax: number;
  readonly nestingMax: number;
  readonly branchesMax: number;
  readonly eventsMax: number;
  /** Entered in a run. */
  readonly stepsMax: number;
  /** Of one step. */
  readonly attemptsMax: number;
  /** Of one map. */
  readonly itemsMax: number;
  /** Of one wait. */
  readonly waitMaxMs: number;
  readonly tagsMax: number;
};

export type DispatchConfig = {
  /** Of targets, queues and keys. */
  readonly limits: readonly FlowLimit[];
  readonly breaker: { readonly faults: number; readonly openMs: number; readonly openMaxMs: number };
  readonly attemptsMax: number;
  readonly attemptsPerOriginMax: number;
  readonly connectionsPerOriginMax: number;
};

export type KafkaConfig = {
  /** `host:port`; none: there is no Kafka. */
  readonly brokers: readonly string[];
  readonly tls: boolean;
  readonly sasl: {
    readonly mechanism: 'none' | 'plain' | 'scram-sha-256' | 'scram-sha-512';
    readonly username: string;
    readonly password: string;
  };
  readonly topic: string;
  readonly events: 'all' | readonly string[];
  readonly deadLetterTopic: string;
  readonly trigger: {
    readonly topic: string | null;
    readonly groupId: string;
    readonly workflow: string | null;
    readonly keyHeader: string;
  };
};

export type ConfigProblem = { readonly name: string; readonly problem: string };

/** The environment does not make a configuration; `problems` has one entry a variable, in order of name. */
export class ConfigRefused extends Error {
  readonly code = 'config-refused';
  readonly retryable = false;
  readonly problems: readonly ConfigProblem[];

  constructor(problems: readonly ConfigProblem[]) {
    const lines = problems.map(({ name, problem }) => `  ${name} ${problem}`);
    super(`The configuration is refused (see docs/configuration.md):\n${lines.join('\n')}`);
    this.problems = problems;
  }
}

type Environment = Readonly<Record<string, string | undefined>>;

const SHOWN_MAX_CHARS = 80;
const shown = (text: string): string =>
  JSON.stringify(text.length > SHOWN_MAX_CHARS ? `${text.slice(0, SHOWN_MAX_CHARS)}…` : text);

const unknownNames = (env: Environment): readonly ConfigProblem[] => {
  const known = Object.keys(SETTINGS);
  // What says to the tests which servers to use is inherited by the processes that they start.
  const unknown = Object.keys(env).filter((name) => /^STEPWELL_(?!TEST_)/i.test(name) && !known.includes(name));
  return unknown.map((name) => {
    const [nearest] = nearestNames(name, known, { limit: 1, differing: 1 });
    return { name, problem: `is not a setting of this version; the nearest is ${nearest}` };
  });
};

const parse = (name: SettingName, text: string | undefined, problems: ConfigProblem[]): unknown => {
  const { schema, default: defaultText } = SETTINGS[name];
  if (text === '') {
    problems.push({ name, problem: `is empty; leave it out for its default, ${shown(defaultText)}` });
    return null;
  }
  const parsed = schema.safeParse(text ?? defaultText);
  if (parsed.success) return parsed.data;
  const value = 'secret' in SETTINGS[name] ? 'not shown' : shown(text ?? defaultText);
  problems.push({ name, problem: `is ${value}, but ${parsed.error.issues[0]!.message}` });
  return null;
};

const together = (values: SettingValues): Config => ({
  http: { host: values.STEPWELL_HOST, port: values.STEPWELL_PORT },
  dataDir: values.STEPWELL_DATA_DIR,
  eventStore: values.STEPWELL_EVENT_STORE,
  eventStoreDb: values.STEPWELL_EVENTSTOREDB_URL === null ? null : { url: values.STEPWELL_EVENTSTOREDB_URL },
  traces: { otlpUrl: values.STEPWELL_OTLP_URL },
  log: { level: values.STEPWELL_LOG_LEVEL, format: values.STEPWELL_LOG_FORMAT },
  limits: {
    payloadMaxBytes: values.STEPWELL_PAYLOAD_MAX_BYTES,
    payloadsMaxBytes: values.STEPWELL_RUN_PAYLOADS_MAX_BYTES,
    definitionMaxBytes: values.STEPWELL_DEFINITION_MAX_BYTES,
    planNodesMax: values.STEPWELL_PLAN_NODES_MAX,
    nestingMax: values.STEPWELL_NESTING_MAX,
    branchesMax: values.STEPWELL_BRANCHES_MAX,
    eventsMax: values.STEPWELL_EVENTS_MAX,
    stepsMax: values.STEPWELL_STEPS_MAX,
    attemptsMax: values.STEPWELL_STEP_ATTEMPTS_MAX,
    itemsMax: values.STEPWELL_ITEMS_MAX,
    waitMaxMs: values.STEPWELL_WAIT_MAX_DAYS * 86_400_000,
    tagsMax: values.STEPWELL_TAGS_MAX,
  },
  dispatch: {
    limits: values.STEPWELL_LIMITS,
    breaker: {
      faults: values.STEPWELL_BREAKER_FAULTS,
      openMs: values.STEPWELL_BREAKER_OPEN_MS,
      openMaxMs: values.STEPWELL_BREAKER_OPEN_MAX_MS,
    },
    attemptsMax: values.STEPWELL_ATTEMPTS_MAX,
    attemptsPerOriginMax: values.STEPWELL_ATTEMPTS_PER_ORIGIN_MAX,
    connectionsPerOriginMax: values.STEPWELL_CONNECTIONS_PER_ORIGIN_MAX,
  },
  kafka: {
    brokers: values.STEPWELL_KAFKA_BROKERS,
    tls: values.STEPWELL_KAFKA_TLS === 'on',
    sasl: {
      mechanism: values.STEPWELL_KAFKA_SASL_MECHANISM,
      username: values.STEPWELL_KAFKA_SASL_USERNAME,
      password: values.STEPWELL_KAFKA_SASL_PASSWORD,
    },
    topic: values.STEPWELL_KAFKA_TOPIC,
    events: values.STEPWELL_KAFKA_EVENTS,
    deadLetterTopic: values.STEPWELL_KAFKA_DEAD_LETTER_TOPIC,
    trigger: {
      topic: values.STEPWELL_KAFKA_TRIGGER_TOPIC,
      groupId: values.STEPWELL_KAFKA_TRIGGER_GROUP,
      workflow: values.STEPWELL_KAFKA_TRIGGER_WORKFLOW,
      keyHeader: values.STEPWELL_KAFKA_TRIGGER_KEY_HEADER,
    },
  },
  shutdown: { graceMs: values.STEPWELL_SHUTDOWN_GRACE_MS },
  views: { url: values.STEPWELL_VIEWS_URL, minPositionWaitMs: values.STEPWELL_VIEWS_MIN_POSITION_WAIT_MS },
  retention: retention(values),
});

const MS_AN_HOUR = 3_600_000;

const retention = (values: SettingValues): RetentionConfig => ({
  ageMs: values.STEPWELL_RETENTION_HOURS === 0 ? null : values.STEPWELL_RETENTION_HOURS * MS_AN_HOUR,
  archiveDir: resolve(values.STEPWELL_DATA_DIR, values.STEPWELL_ARCHIVE_DIR),
  runsPerSecond: values.STEPWELL_ARCHIVE_RUNS_PER_SECOND,
});

/** What is wrong with settings of Kafka that are right each by itself. */
const kafkaProblems = (env: Environment, values: Readonly<Record<string, unknown>>): readonly ConfigProblem[] => {
  const problems: ConfigProblem[] = [];
  const mechanism = values['STEPWELL_KAFKA_SASL_MECHANISM'];
  for (const name of ['STEPWELL_KAFKA_SASL_USERNAME', 'STEPWELL_KAFKA_SASL_PASSWORD']) {
    if (typeof mechanism !== 'string' || mechanism === 'none' || env[name] !== undefined) continue;
    problems.push({ name, problem: `is missing; STEPWELL_KAFKA_SASL_MECHANISM=${mechanism} needs it` });
  }
  const trigger = values['STEPWELL_KAFKA_TRIGGER_TOPIC'];
  // What a run brings forth would start the next one, for ever.
  for (const name of ['STEPWELL_KAFKA_TOPIC', 'STEPWELL_KAFKA_DEAD_LETTER_TOPIC']) {
    if (trigger === null || values[name] !== trigger) continue;
    problems.push({ name, problem: 'is also STEPWELL_KAFKA_TRIGGER_TOPIC: what is written there would start runs' });
  }
  return problems;
};

/** The configuration that an environment makes. Throws `ConfigRefused` with every problem at once. */
export const loadConfig = (env: Environment): Config => {
  const problems: ConfigProblem[] = [...unknownNames(env)];
  const values: Record<string, unknown> = {};
  // The keys of a literal are its names: `Object.keys` only forgets it.
  for (const name of Object.keys(SETTINGS) as SettingName[]) values[name] = parse(name, env[name], problems);
  if (values['STEPWELL_EVENT_STORE'] === 'eventstoredb' && env['STEPWELL_EVENTSTOREDB_URL'] === undefined) {
    problems.push({
      name: 'STEPWELL_EVENTSTOREDB_URL',
      problem: 'is missing; STEPWELL_EVENT_STORE=eventstoredb needs it',
    });
  }
  problems.push(...kafkaProblems(env, values));
  if (problems.length > 0) throw new ConfigRefused(problems.sort((a, b) => (a.name < b.name ? -1 : 1)));
  // Every name was parsed by its own schema just above.
  return together(values as SettingValues);
};

/** As `loadConfig`, for a `main`: problems go to standard error and end the process with exit code 1. */
export const loadConfigOrExit = (env: Environment): Config => {
  try {
    return loadConfig(env);
  } catch (error) {
    if (!(error instanceof ConfigRefused)) throw error;
    process.stderr.write(`${error.message}\n`);
    return process.exit(1);
  }
};
