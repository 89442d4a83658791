import {
  parse,
  sandboxConfigSchema,
  type SandboxConfig,
  type SandboxConfigInput,
  type SandboxInfo,
  type Secret,
} from '@novasandbox/protocol';
import { throwIfAborted } from '../abort.ts';
import type { EngineContext } from '../context.ts';
import { requireEnforceable, withDefaultPolicy } from '../guest/governance.ts';
import { templateNameFor, withDeclared } from '../images/declared.ts';
import { planSandbox } from '../guest/plan.ts';
import { storedSecret } from '../secrets/keep.ts';
import type { CreateContext } from '../services.ts';
import { bootNew } from './boot.ts';
import { makeSandbox } from './create.ts';
import { createFromPool } from './from-pool.ts';
import { sweep } from './reconcile.ts';
import { findNetworks } from './networks.ts';
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
  // From here on no config holds the value of a secret.
  const { image, secrets = [], ...config } = asked;
  if (image === undefined) return createOf(context, config, secrets, options);
  const templateId = templateNameFor(image);
  const make = (): Promise<SandboxInfo> => createOf(context, { ...config, templateId }, secrets, options);
  return withDeclared(context.layout, templateId, image, make);
}

async function createOf(
  context: EngineContext,
  config: Omit<SandboxConfig, 'image' | 'secrets'>,
  given: readonly Secret[],
  options: CreateContext,
): Promise<SandboxInfo> {
  const startedAt = performance.now();
  using _creating = context.pool.creating();
  await sweep(context);
  const volumes = findVolumes(context, config, options.scope);
  const networks = findNetworks(context, config, options.scope);
  const plan = await planSandbox(context, config, options);
  const place = { ...plan, owner: options.ownership?.owner ?? null };
  requireEnforceable(context.store, config, place, { hasSecrets: given.length > 0 });
  const secrets = given.map((secret) => storedSecret(context.seals, secret));
  const wanted = { config, plan, volumes, networks, startedAt, secrets };
  return (
    (await createFromPool(context, wanted, options)) ??
    (await makeSandbox(context, wanted, options, (boot) => bootNew(context, boot)))
  );
}
