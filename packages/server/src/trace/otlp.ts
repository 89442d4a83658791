import type { IncomingHttpHeaders } from 'node:http';
import type { Trace } from '@novasandbox/engine';
import { toNovaError } from '@novasandbox/protocol';
import {
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace as traceApi,
  type Context,
  type Span,
  type Tracer,
} from '@opentelemetry/api';
import { W3CTraceContextPropagator } from '@opentelemetry/core';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { defaultResource, detectResources, envDetector, resourceFromAttributes } from '@opentelemetry/resources';
import { BatchSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace';
import { version } from '../version.ts';
import { batchOptions, samplerOf } from './otlp-environment.ts';
import type { Tracing } from './tracing.ts';

/**
 * Sends traces over OTLP/HTTP to a collector at `endpoint` (`/v1/traces` is added), or to the one in OpenTelemetry's
 * variables.
 */
export function otlpTracing(endpoint: string | undefined, env: NodeJS.ProcessEnv): Tracing {
  const exporter = new OTLPTraceExporter(
    endpoint === undefined ? {} : { url: `${endpoint.replace(/\/+$/, '')}/v1/traces` },
  );
  const provider = new TracerProvider({
    resource: defaultResource()
      .merge(resourceFromAttributes({ 'service.name': 'novasandbox', 'service.version': version }))
      .merge(detectResources({ detectors: [envDetector] })),
    sampler: samplerOf(env),
    spanProcessors: [new BatchSpanProcessor({ exporter, ...batchOptions(env) })],
  });
  const tracer = provider.getTracer('novasandbox', version);
  const propagator = new W3CTraceContextPropagator();
  return {
    begin(requestId, method, headers) {
      const from = propagator.extract(ROOT_CONTEXT, headers, headerGetter);
      const attributes = { 'http.request.method': method, 'novasandbox.request_id': requestId };
      const span = tracer.startSpan(method, { kind: SpanKind.SERVER, attributes }, from);
      return {
        trace: traceIn(tracer, requestId, traceApi.setSpan(from, span)),
        end({ route, operation, status, error, principal, vm }) {
          span.updateName(`${method} ${route}`);
          span.setAttributes({
            'http.route': route,
            'http.response.status_code': status,
            'novasandbox.operation': operation,
            ...(principal === undefined ? {} : { 'novasandbox.principal': principal }),
            ...(vm === undefined ? {} : { 'novasandbox.vm': vm }),
          });
          if (status >= 500 || error !== undefined) failed(span, error ?? String(status));
          span.end();
        },
      };
    },
    [Symbol.asyncDispose]: () => provider.shutdown().catch(() => undefined),
  };
}

/** Makes a trace whose spans are children of `context`. Spans within a span are children of that span. */
function traceIn(tracer: Tracer, requestId: string, context: Context): Trace {
  return {
    requestId,
    async span(name, work) {
      const span = tracer.startSpan(name, {}, context);
      try {
        return await work(traceIn(tracer, requestId, traceApi.setSpan(context, span)));
      } catch (error) {
        failed(span, toNovaError(error).code);
        throw error;
      } finally {
        span.end();
      }
    },
  };
}

/** Records only the code of the error, because messages may quote paths, commands and names. */
function failed(span: Span, code: string): void {
  span.setAttribute('error.type', code);
  span.setStatus({ code: SpanStatusCode.ERROR });
}

const headerGetter = {
  keys: (carrier: unknown) => Object.keys(carrier as IncomingHttpHeaders),
  get: (carrier: unknown, key: string) => (carrier as IncomingHttpHeaders)[key],
};
