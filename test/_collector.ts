import { createServer, type IncomingHttpHeaders } from 'node:http';
import { type Listening, listenOn } from './_cluster-upstream.ts';

/** A span as OTLP has it in JSON, with its attributes as an object. */
export interface CollectedSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  /** 1: internal, 2: server, 3: client. */
  readonly kind: number;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  /** Code 2: error. */
  readonly status: { readonly code: number; readonly message?: string };
  readonly attributes: Readonly<Record<string, unknown>>;
  /** Attributes of what it is a span of. */
  readonly resource: Readonly<Record<string, unknown>>;
}

export interface Collector extends Listening {
  /** Every span that has come. */
  readonly spans: CollectedSpan[];
  /** Of each batch. */
  readonly headers: IncomingHttpHeaders[];
  /** The bodies, as they came. */
  readonly bodies: string[];
}

interface Attribute {
  readonly key: string;
  readonly value: Readonly<Record<string, unknown>>;
}

const valuesOf = (attributes: readonly Attribute[]) =>
  Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]]));

/** A collector of OpenTelemetry's on loopback, for spans as JSON at /v1/traces. */
export async function startCollector(): Promise<Collector> {
  const spans: CollectedSpan[] = [];
  const headers: IncomingHttpHeaders[] = [];
  const bodies: string[] = [];
  const server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.once('end', () => {
      if (request.url !== '/v1/traces' || request.method !== 'POST')
        return void response.writeHead(404).end();
      const body = Buffer.concat(parts).toString();
      bodies.push(body);
      headers.push(request.headers);
      for (const { resource, scopeSpans } of JSON.parse(body).resourceSpans)
        for (const scope of scopeSpans)
          for (const span of scope.spans)
            spans.push({
              ...span,
              attributes: valuesOf(span.attributes),
              resource: valuesOf(resource.attributes),
            });
      response.writeHead(200, { 'Content-Type': 'application/json' }).end('{}');
    });
  });
  return Object.assign(await listenOn(server), { spans, headers, bodies });
}
