import {
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
  type Context,
  type Tracer as OtelTracer,
} from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { BatchSpanProcessor, TracerProvider, type SpanExporter } from '@opentelemetry/sdk-trace';
import type { Log } from '../../log.js';
import type { Span, SpanStart, Tracer } from '../tracer.js';

const EXPORT_EVERY_MS = 1_000;
const EXPORT_TIMEOUT_MS = 5_000;
/** Spans that wait for the collector; what comes when as many wait is dropped, never held against a run. */
const SPANS_WAITING_MAX = 16_384;
const SPANS_AN_EXPORT_MAX = 1_024;

/** Spans to a collector over OTLP/HTTP. Nothing global: no context follows promises, a parent is always given. */
export class OtlpTracer implements Tracer {
  readonly #exporter: TellingExporter;
  readonly #provider: TracerProvider;
  readonly #tracer: OtelTracer;
  #stopping: Promise<void> | null = null;

  constructor(url: string, service: string, log: Log) {
    this.#exporter = new TellingExporter(new OTLPTraceExporter({ url, timeoutMillis: EXPORT_TIMEOUT_MS }), log);
    this.#provider = new TracerProvider({
      resource: resourceFromAttributes({ 'service.name': service }),
      spanProcessors: [
        new BatchSpanProcessor({
          exporter: this.#exporter,
          scheduledDelayMillis: EXPORT_EVERY_MS,
          exportTimeoutMillis: EXPORT_TIMEOUT_MS,
          maxQueueSize: SPANS_WAITING_MAX,
          maxExportBatchSize: SPANS_AN_EXPORT_MAX,
        }),
      ],
    });
    this.#tracer = this.#provider.getTracer('stepwell');
  }

  begin({ name, kind, parent, attributes }: SpanStart): Span {
    const context = parent === null ? ROOT_CONTEXT : contextOf(parent);
    const span = this.#tracer.startSpan(name, { kind: KINDS[kind], attributes }, context);
    const { traceId, spanId, traceFlags } = span.spanContext();
    return {
      traceparent: `00-${traceId}-${spanId}-0${traceFlags & 1}`,
      end: (more, error = null) => {
        span.setAttributes(more);
        if (error !== null) span.setStatus({ code: SpanStatusCode.ERROR, message: error });
        span.end();
      },
    };
  }

  stop(): Promise<void> {
    // It rejects when the last spans did not arrive: no reason for a stop to fail. The processor gives up at the same moment as
    // the exporter, and mostly before it; nobody would hear of the loss from an exporter that ends after the process.
    return (this.#stopping ??= this.#provider.shutdown().catch((error: unknown) => this.#exporter.lost(error)));
  }
}

/** Says in the log when spans begin to be lost, and when they arrive again. */
class TellingExporter implements SpanExporter {
  #losing = false;

  constructor(
    private readonly exporter: SpanExporter,
    private readonly log: Log,
  ) {}

  export(spans: Parameters<SpanExporter['export']>[0], done: Parameters<SpanExporter['export']>[1]): void {
    this.exporter.export(spans, (result) => {
      if (result.error !== undefined) this.lost(result.error);
      else this.#arrived();
      done(result);
    });
  }

  lost(error: unknown): void {
    if (!this.#losing) this.log.warn('spans do not reach their collector; they are lost', { err: error });
    this.#losing = true;
  }

  #arrived(): void {
    if (this.#losing) this.log.info('spans reach their collector again');
    this.#losing = false;
  }

  shutdown(): Promise<void> {
    return this.exporter.shutdown();
  }
}

const KINDS = { server: SpanKind.SERVER, client: SpanKind.CLIENT } as const;

/** A parent in another process, or in another part of this one. */
const contextOf = (traceparent: string): Context =>
  trace.setSpanContext(ROOT_CONTEXT, {
    traceId: traceparent.slice(3, 35),
    spanId: traceparent.slice(36, 52),
    traceFlags: Number.parseInt(traceparent.slice(53, 55), 16) & 1,
    isRemote: true,
  });
