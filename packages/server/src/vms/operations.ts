import { inWordsOfRest, isNovaError, NovaError, unknownHypervisor, type SandboxInfo } from '@novasandbox/protocol';
import { configOfCreateVm, vmBoundsSchema, vmConfigOf, vmOf, type CreateVm, type Vm } from '@novasandbox/protocol/api';
import { neededFor } from '../authority/permissions.ts';
import type { Principal, Services } from '../context.ts';
import type { RouteContext } from '../daemon-context.ts';

/** The id that idempotency has chosen for a VM. */
interface NewId {
  readonly newId?: string | undefined;
  readonly onOtherId?: ((id: string) => void) | undefined;
}

/** Creates a VM with the server's defaults. The VM is removed again when the client disconnects before the answer. */
export async function createVm(
  context: RouteContext,
  engine: Services,
  body: CreateVm,
  { signal, newId: id, onOtherId }: { readonly signal: AbortSignal } & NewId,
): Promise<Vm> {
  const config = checkedConfig(context, body);
  const info = await named(() => engine.sandboxes.create(config, { signal, id, onOtherId }));
  if (body.idle_timeout_seconds !== undefined) {
    context.idle.setTimeoutMs(info.id, Math.round(body.idle_timeout_seconds * 1000));
  }
  if (info.metadata.bootTimeMs !== null) context.metrics.booted(info.metadata.bootTimeMs / 1000);
  return vmOf(info);
}

/** Returns the VM with that id in the form of the answer to its create; null when it does not exist. */
export async function vmOfId(engine: Services, id: string): Promise<Vm | null> {
  const info = await sandboxOfId(engine, id);
  return info === null ? null : vmOf(info);
}

export async function sandboxOfId(engine: Services, id: string): Promise<SandboxInfo | null> {
  try {
    return await engine.sandboxes.get(id);
  } catch (error) {
    if (isNovaError(error, 'sandbox_not_found')) return null;
    throw error;
  }
}

export async function validateVm(
  context: RouteContext,
  principal: Principal,
  body: CreateVm,
): Promise<{ valid: true }> {
  const config = checkedConfig(context, body);
  const { drivers } = context.quietEngine;
  const { hypervisor = 'auto' } = config;
  if (hypervisor !== 'auto' && !drivers.has(hypervisor)) throw unknownHypervisor(hypervisor, drivers.keys());
  for (const permission of neededFor(config, drivers)) context.auth.authorise(principal, permission);
  await named(() => context.limits.check(config));
  await context.quietEngine.templates.inspect(config.templateId ?? 'base');
  return { valid: true };
}

/** Does something with the config of a VM. Errors name its fields as REST does. */
export async function named<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw inWordsOfRest(error);
  }
}

function checkedConfig(context: RouteContext, body: CreateVm) {
  if (body.os_type === 'windows') throw new NovaError('not_implemented', 'Windows guests are not there yet.');
  return configOfCreateVm(body, context.config.resources.default_timeout_seconds);
}

export async function restartVm(
  engine: Services,
  ref: string,
  how: { readonly force: boolean; readonly timeout_seconds: number },
  signal: AbortSignal,
): Promise<Vm> {
  const before = await engine.sandboxes.get(ref);
  if (before.ephemeral) {
    throw new NovaError(
      'invalid_state',
      `The sandbox ${before.name ?? before.id} is removed as it stops; it cannot start again.`,
    );
  }
  await engine.sandboxes.stop(before.id, { force: how.force, graceMs: Math.round(how.timeout_seconds * 1000) });
  return vmOf(await named(() => engine.sandboxes.start(before.id, { signal })));
}

export const resourcesOf = ({ vcpus, memoryMb, diskSizeMb }: SandboxInfo) => ({
  vcpus,
  memory_mb: memoryMb,
  disk_mb: diskSizeMb,
});

export async function limitsOf({ idle }: RouteContext, engine: Services, ref: string) {
  const info = await engine.sandboxes.get(ref);
  const config = await engine.sandboxes.config(info.id);
  return {
    ...resourcesOf(info),
    ...vmBoundsSchema.parse(vmConfigOf(config)),
    idle_timeout_seconds: idle.timeoutMs(info.id) / 1000,
  };
}

/** Returns everything known about a VM. Environment variables are listed by name only, since they may hold secrets. */
export async function debugVm(
  { measurements, idle }: RouteContext,
  engine: Services,
  ref: string,
): Promise<Record<string, unknown>> {
  const info = await engine.sandboxes.get(ref);
  const { env, ...config } = await engine.sandboxes.config(info.id);
  const logs = await engine.sandboxes.logs(info.id, { bytes: 16_384 });
  return {
    vm: vmOf(info),
    config: { ...config, env: Object.keys(env) },
    idle_timeout_seconds: idle.timeoutMs(info.id) / 1000,
    last_metrics: measurements.latest(info.id)?.metrics ?? null,
    logs,
  };
}
