import type { IncomingHttpHeaders } from 'node:http';
import type { Trace } from '@novasandbox/engine';
import type { ServerConfig } from '../config/schema.ts';

/** The attributes of an answered request: names and ids, never its content. */
export interface RequestEnd {
  /** Pattern of the address, never the address. */
  readonly route: string;
  readonly operation: string;
  readonly status: number;
  readonly error?: string | undefined;
  readonly principal?: string | undefined;
  readonly vm?: string | undefined;
}

/** One request, from its headers to the end of its answer. */
export interface RequestTrace {
  /** The trace that the calls of the engine for this request belong to. */
  readonly trace: Trace;
  end(end: RequestEnd): void;
}

/** Follows requests through the daemon. Disposing sends what has not been sent. */
export interface Tracing extends AsyncDisposable {
  /**
   * Begins a request. `traceparent` and `tracestate` (W3C Trace Context) among the headers make it part of the caller's
   * trace.
   */
  begin(requestId: string, method: string, headers: IncomingHttpHeaders): RequestTrace;
}

/** Gives requests an id, and traces nothing. */
export const untraced: Tracing = {
  begin: (requestId) => ({ trace: { requestId }, end: () => undefined }),
  [Symbol.asyncDispose]: async () => undefined,
};

/**
 * Sends traces when the configuration or OpenTelemetry's own variables name a collector. Its libraries are loaded only
 * then.
 */
export async function openTracing({ monitoring }: ServerConfig, env: NodeJS.ProcessEnv): Promise<Tracing> {
  const named = env['OTEL_EXPORTER_OTLP_TRACES_ENDPOINT'] ?? env['OTEL_EXPORTER_OTLP_ENDPOINT'] ?? '';
  const off = env['OTEL_SDK_DISABLED']?.toLowerCase() === 'true' || env['OTEL_TRACES_EXPORTER'] === 'none';
  const endpoint = monitoring.traces?.endpoint;
  if (off || (endpoint === undefined && named === '')) return untraced;
  const { otlpTracing } = await import('./otlp.ts');
  // As everywhere, a variable overrides the file.
  return otlpTracing(named === '' ? endpoint : undefined, env);
}
