import { parse, sandboxConfigSchema, type SandboxConfigInput, type SandboxInfo } from '@novasandbox/protocol';
import { throwIfAborted } from '../abort.ts';
import type { EngineContext } from '../context.ts';
import { withDefaultPolicy } from '../guest/governance.ts';
import { planSandbox } from '../guest/plan.ts';
import type { CreateContext } from '../services.ts';
import { bootNew } from './boot.ts';
import { makeSandbox } from './create.ts';
import { createFromPool } from './from-pool.ts';
import { sweep } from './reconcile.ts';
import { findVolumes } from './volumes.ts';

/**
 * Makes a sandbox, of a clone from the warm pool where there is one for it, and hands it out once its guest has taken
 * on its identity. After an error or an abort nothing is left.
 */
export async function createSandbox(
  context: EngineContext,
  input: SandboxConfigInput,
  options: CreateContext = {},
): Promise<SandboxInfo> {
  const startedAt = performance.now();
  const config = withDefaultPolicy(context, parse(sandboxConfigSchema, input, 'sandbox config'));
  throwIfAborted(options.signal, 'before anything was made');
  using _creating = context.pool.creating();
  await sweep(context);
  const volumes = findVolumes(context, config, options.scope);
  const plan = await planSandbox(context, config, options);
  const wanted = { config, plan, volumes, startedAt };
  return (
    (await createFromPool(context, wanted, options)) ??
    (await makeSandbox(context, wanted, options, (boot) => bootNew(context, boot)))
  );
}
