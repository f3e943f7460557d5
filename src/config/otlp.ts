/** What the standard variables of OpenTelemetry say of spans: where they go, or why they cannot. */
export type Otlp =
  /** `origin`: scheme, host and port of the collector, without what may be secret in its URL. */
  | { readonly type: 'on'; readonly origin: string }
  /** `why` names the variable and the remedy. */
  | { readonly type: 'unusable'; readonly why: string };

const TRACES_ENDPOINT = 'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT';
const ENDPOINT = 'OTEL_EXPORTER_OTLP_ENDPOINT';
const PROTOCOLS = ['OTEL_EXPORTER_OTLP_TRACES_PROTOCOL', 'OTEL_EXPORTER_OTLP_PROTOCOL'];

/**
 * Whether spans are exported; undefined unless an endpoint is set and nothing turns it off. What is sent and how, the
 * SDK reads in the variables itself. They may be set for all programs of a machine, so that a value which is of no use
 * here is no reason not to start. Pure.
 */
export function otlpOf(env: Readonly<Record<string, string | undefined>>): Otlp | undefined {
  const said = (name: string): string => env[name]?.trim() ?? '';
  const variable = [TRACES_ENDPOINT, ENDPOINT].find((name) => said(name) !== '');
  if (variable === undefined || said('OTEL_SDK_DISABLED').toLowerCase() === 'true') return undefined;
  if (said('OTEL_TRACES_EXPORTER') === 'none') return undefined;
  const protocol = PROTOCOLS.find((name) => said(name) !== '');
  if (protocol !== undefined && said(protocol) === 'grpc')
    return unusable(
      `${protocol} is grpc, which ollana does not speak: set it to http/json, and ${variable} to the collector's port for HTTP, usually 4318`,
    );
  const url = URL.canParse(said(variable)) ? new URL(said(variable)) : undefined;
  if (url && /^https?:$/.test(url.protocol)) return { type: 'on', origin: url.origin };
  return unusable(`${variable} is no http:// or https:// URL: give one, such as http://127.0.0.1:4318`);
}

function unusable(why: string): Otlp {
  return { type: 'unusable', why };
}
