import { NovaError } from '@novasandbox/protocol';
import {
  AlwaysOffSampler,
  AlwaysOnSampler,
  ParentBasedSampler,
  TraceIdRatioBasedSampler,
  type BatchSpanProcessorOptions,
  type Sampler,
} from '@opentelemetry/sdk-trace';

/**
 * Reads the variables of OpenTelemetry's specification that its libraries leave to the program. The exporter and the
 * resource read theirs themselves.
 */

/**
 * Returns the sampler that selects the requests to trace, by OTEL_TRACES_SAMPLER and OTEL_TRACES_SAMPLER_ARG. Throws
 * `invalid_argument` for an unknown sampler, and for an argument outside of 0 to 1.
 */
export function samplerOf(env: NodeJS.ProcessEnv): Sampler {
  const ratio = Number(env['OTEL_TRACES_SAMPLER_ARG'] ?? 1);
  const samplers: Readonly<Record<string, () => Sampler>> = {
    always_on: () => new AlwaysOnSampler(),
    always_off: () => new AlwaysOffSampler(),
    traceidratio: () => new TraceIdRatioBasedSampler(ratio),
    parentbased_always_on: () => new ParentBasedSampler({ root: new AlwaysOnSampler() }),
    parentbased_always_off: () => new ParentBasedSampler({ root: new AlwaysOffSampler() }),
    parentbased_traceidratio: () => new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(ratio) }),
  };
  const name = env['OTEL_TRACES_SAMPLER'] ?? 'parentbased_always_on';
  const make = Object.hasOwn(samplers, name) ? samplers[name] : undefined;
  if (make === undefined || !(ratio >= 0 && ratio <= 1)) {
    throw new NovaError(
      'invalid_argument',
      `OTEL_TRACES_SAMPLER: there are ${Object.keys(samplers).join(', ')}, and OTEL_TRACES_SAMPLER_ARG is from 0 to 1.`,
    );
  }
  return make();
}

/** Returns how spans are batched, by OTEL_BSP_*. Values that are not positive numbers are left to the defaults. */
export function batchOptions(env: NodeJS.ProcessEnv): Omit<BatchSpanProcessorOptions, 'exporter'> {
  const number = <K extends string>(option: K, name: string): { readonly [key in K]?: number } => {
    const value = Number(env[name] ?? '');
    return value > 0 ? ({ [option]: value } as { readonly [key in K]: number }) : {};
  };
  return {
    ...number('scheduledDelayMillis', 'OTEL_BSP_SCHEDULE_DELAY'),
    ...number('exportTimeoutMillis', 'OTEL_BSP_EXPORT_TIMEOUT'),
    ...number('maxQueueSize', 'OTEL_BSP_MAX_QUEUE_SIZE'),
    ...number('maxExportBatchSize', 'OTEL_BSP_MAX_EXPORT_BATCH_SIZE'),
  };
}
