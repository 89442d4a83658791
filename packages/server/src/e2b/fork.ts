import { toNovaError } from '@novasandbox/protocol';
import type * as z from 'zod';
import type { CallerContext, Principal } from '../context.ts';
import { errorBodyOf, type ErrorBody } from './errors.ts';
import { liveSandbox } from './find.ts';
import { labelsOf, openedBy, traitsOf } from './labels.ts';
import { defaultTimeoutSeconds } from './life-time.ts';
import { sandboxBody, type forkBodySchema } from './wire.ts';

type ForkBody = { readonly sandbox: ReturnType<typeof sandboxBody> } | { readonly error: ErrorBody };

/**
 * Forks a running sandbox. Its children are guarded and end as it does, but are no more open than the caller may open.
 */
export async function forkSandbox(
  context: CallerContext,
  principal: Principal,
  ref: string,
  { timeout, count }: z.output<typeof forkBodySchema>,
  signal: AbortSignal,
): Promise<ForkBody[]> {
  const { id, labels } = await liveSandbox(context, ref);
  const traits = openedBy(principal, traitsOf(labels));
  const timeoutMs = (timeout ?? defaultTimeoutSeconds) * 1000;
  const reservedLabels = labelsOf(traits);
  const results = await context.engine.snapshots.fork(
    id,
    { count: count ?? 1, timeoutMs, ephemeral: true, autoResume: traits.autoResume },
    { signal, reservedLabels },
  );
  return results.map(({ sandbox, error }) =>
    sandbox === null
      ? { error: errorBodyOf(toNovaError(error)) }
      : { sandbox: sandboxBody(context, sandbox, principal) },
  );
}
