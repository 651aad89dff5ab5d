import { createRequire } from 'node:module';
import { pino, type DestinationStream, type LoggerOptions } from 'pino';
import type { LogConfig } from './config.js';

export type LogFields = Readonly<Record<string, unknown>>;

/**
 * Where a process says what happened. A line is a message and fields; payloads and credentials are no fields: what comes
 * under their names is censored, at any level. An error goes under `err`.
 */
export abstract class Log {
  abstract debug: (message: string, fields?: LogFields) => void;
  abstract info: (message: string, fields?: LogFields) => void;
  abstract warn: (message: string, fields?: LogFields) => void;
  abstract error: (message: string, fields?: LogFields) => void;
  /** A log whose lines all carry these fields too. */
  abstract child: (fields: LogFields) => Log;
}

const CREDENTIALS = ['authorization', 'proxy-authorization', 'cookie', 'set-cookie', 'token', 'secret', 'password'];
const PAYLOADS = ['body', 'payload', 'input', 'output'];
const CENSORED = [...CREDENTIALS, ...PAYLOADS].flatMap((name) => [`["${name}"]`, `*["${name}"]`, `*.*["${name}"]`]);

const OPTIONS: LoggerOptions = {
  base: null,
  timestamp: pino.stdTimeFunctions.isoTime,
  formatters: { level: (label) => ({ level: label }) },
  redact: { paths: CENSORED, censor: '[censored]' },
};

/** The few calls of a pino logger that are used; so nobody else needs its types. */
type Sink = { [Level in 'debug' | 'info' | 'warn' | 'error']: (fields: LogFields, message: string) => void } & {
  child(fields: LogFields): Sink;
};

const NO_FIELDS: LogFields = {};

const over = (sink: Sink): Log => ({
  debug: (message, fields = NO_FIELDS) => sink.debug(fields, message),
  info: (message, fields = NO_FIELDS) => sink.info(fields, message),
  warn: (message, fields = NO_FIELDS) => sink.warn(fields, message),
  error: (message, fields = NO_FIELDS) => sink.error(fields, message),
  child: (fields) => over(sink.child(fields)),
});

type PrettyFactory = (options: Readonly<Record<string, unknown>>) => DestinationStream;

/** Loaded only when asked for: it costs 30 ms of a start, and a service writes JSON. */
const prettyStream = (): DestinationStream => {
  // The package is CommonJS whose export is the factory.
  const pretty = createRequire(import.meta.url)('pino-pretty') as PrettyFactory;
  return pretty({ colorize: process.stdout.isTTY, translateTime: 'SYS:HH:MM:ss.l', sync: true });
};

/** A log that writes to standard output, or to `stream`. Written synchronously: the last line before a crash is the one wanted. */
export const createLog = (config: LogConfig, stream?: DestinationStream): Log => {
  const pretty = config.format === 'pretty' || (config.format === 'auto' && process.stdout.isTTY);
  const destination = stream ?? (pretty ? prettyStream() : pino.destination({ dest: 1, sync: true }));
  return over(pino({ ...OPTIONS, level: config.level }, destination));
};

const nothing = (): void => {};

/** Says nothing. */
export const silentLog: Log = { debug: nothing, info: nothing, warn: nothing, error: nothing, child: () => silentLog };
