import type { Log } from '../log.js';

/** One piece of work in a trace. */
export interface Span {
  /** The `traceparent` of what it leads to. */
  readonly traceparent: string;
  /** Ends it, once. `error`: it failed, and how. */
  end(attributes: SpanAttributes, error?: string | null): void;
}

export type SpanAttributes = Readonly<Record<string, string | number>>;

export type SpanStart = {
  readonly name: string;
  /** `server`: of a request that came in; `client`: of one that goes out. */
  readonly kind: 'server' | 'client';
  /** The `traceparent` that it continues, `null` for a trace of its own. */
  readonly parent: string | null;
  readonly attributes: SpanAttributes;
};

/** Tells a collector who waited for what. Where tracing is off there is none: `null`, and nothing of it is loaded. */
export interface Tracer {
  begin(span: SpanStart): Span;
  /** Sends what is left. Idempotent. */
  stop(): Promise<void>;
}

/** The tracer of a process, or `null` without a collector's URL. */
export const openTracer = async (url: string | null, service: string, log: Log): Promise<Tracer | null> => {
  if (url === null) return null;
  const { OtlpTracer } = await import('./opentelemetry/otlp-tracer.js');
  return new OtlpTracer(url, service, log);
};
