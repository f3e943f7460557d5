import { ROOT_CONTEXT, SpanKind, SpanStatusCode, TraceFlags, trace } from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { detectResources, envDetector, resourceFromAttributes } from '@opentelemetry/resources';
import { BasicTracerProvider, BatchSpanProcessor, type SpanExporter } from '@opentelemetry/sdk-trace-base';
import type { EndedSpan, RequestSpan } from './otel-span.ts';

export interface SpanSenderOptions {
  readonly version: string;
  readonly mode: string;
  /** A batch of so many spans has arrived, or has not and is lost. */
  readonly onBatch: (spans: number, error: Error | undefined) => void;
}

/** Hands spans to the SDK, which sends them in batches. */
export interface SpanSender {
  /** Takes some microseconds, whatever the collector does; beyond the SDK's bound (2048 waiting) spans are dropped. */
  send(span: RequestSpan): void;
  /** Sends what waits; takes as long as the collector and its retries do. May reject. */
  end(): Promise<void>;
}

const KINDS = { server: SpanKind.SERVER, internal: SpanKind.INTERNAL, client: SpanKind.CLIENT };

/**
 * Starts the SDK by its standard variables (OTEL_*), which it reads itself, without making it the process's own: nothing
 * else here is traced. The name of the service is `ollana` unless they say another.
 */
export function startSpanSender({ version, mode, onBatch }: SpanSenderOptions): SpanSender {
  const own = resourceFromAttributes({
    'service.name': 'ollana',
    'service.version': version,
    'ollana.mode': mode,
  });
  const provider = new BasicTracerProvider({
    resource: own.merge(detectResources({ detectors: [envDetector] })),
    spanProcessors: [new BatchSpanProcessor(watched(onBatch))],
  });
  const tracer = provider.getTracer('ollana', version);

  const start = (span: EndedSpan, context: typeof ROOT_CONTEXT): void => {
    const { name, start: startTime, end, isError, children } = span;
    // The SDK leaves out what is undefined.
    const { ...attributes } = span.attributes;
    const begun = tracer.startSpan(name, { kind: KINDS[span.kind], startTime, attributes }, context);
    const within = trace.setSpan(context, begun);
    for (const child of children) start(child, within);
    if (isError) begun.setStatus({ code: SpanStatusCode.ERROR });
    begun.end(end);
  };

  return {
    send: (span) => start(span, contextOf(span)),
    end: () => provider.shutdown(),
  };
}

function contextOf({ parent }: RequestSpan): typeof ROOT_CONTEXT {
  if (!parent) return ROOT_CONTEXT;
  const { traceId, spanId, isSampled } = parent;
  const traceFlags = isSampled ? TraceFlags.SAMPLED : TraceFlags.NONE;
  return trace.setSpanContext(ROOT_CONTEXT, { traceId, spanId, traceFlags, isRemote: true });
}

/** The exporter of the SDK, and whoever wants to know what became of each batch: the SDK tells nobody. */
function watched(onBatch: SpanSenderOptions['onBatch']): SpanExporter {
  // No connection outlives its batch: one every five seconds at most.
  const exporter = new OTLPTraceExporter({ httpAgentOptions: { keepAlive: false } });
  return {
    export(spans, done) {
      exporter.export(spans, (result) => {
        // 0: arrived (ExportResultCode.SUCCESS, of a package that nothing else here needs).
        const error = result.code === 0 ? undefined : (result.error ?? new Error('no reason given'));
        onBatch(spans.length, error);
        done(result);
      });
    },
    forceFlush: () => exporter.forceFlush(),
    shutdown: () => exporter.shutdown(),
  };
}
