import {
  parse,
  sandboxConfigSchema,
  type SandboxConfig,
  type SandboxConfigInput,
  type SandboxInfo,
} from '@novasandbox/protocol';
import { throwIfAborted } from '../abort.ts';
import type { EngineContext } from '../context.ts';
import { withDefaultPolicy } from '../guest/governance.ts';
import { templateNameFor, withDeclared } from '../images/declared.ts';
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
  const asked = withDefaultPolicy(context, parse(sandboxConfigSchema, input, 'sandbox config'));
  throwIfAborted(options.signal, 'before anything was made');
  const { image, ...config } = asked;
  if (image === undefined) return createOf(context, config, options);
  const templateId = templateNameFor(image);
  return withDeclared(context.layout, templateId, image, () => createOf(context, { ...config, templateId }, options));
}

async function createOf(context: EngineContext, config: SandboxConfig, options: CreateContext): Promise<SandboxInfo> {
  const startedAt = performance.now();
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
