import { isNovaError, NovaError, type SandboxInfo } from '@novasandbox/protocol';
import { configOfCreateVm, vmOf, type CreateVm, type Vm } from '@novasandbox/protocol/api';
import { neededFor } from '../authority/permissions.ts';
import type { Principal, Services } from '../context.ts';
import type { RouteContext } from '../daemon-context.ts';

/** Makes a VM with the server's defaults. A client that has gone meanwhile gets none: it could not know of it. */
export async function createVm(
  context: RouteContext,
  engine: Services,
  body: CreateVm,
  { signal, newId }: { readonly signal: AbortSignal; readonly newId?: string | undefined },
): Promise<Vm> {
  const config = checkedConfig(context, body);
  const info = await engine.sandboxes.create(config, { signal, id: newId });
  if (body.idle_timeout_seconds !== undefined) {
    context.idle.setTimeoutMs(info.id, Math.round(body.idle_timeout_seconds * 1000));
  }
  if (info.metadata.bootTimeMs !== null) context.metrics.booted(info.metadata.bootTimeMs / 1000);
  return vmOf(info);
}

/** The VM of that id as its create is answered; null where there is none. */
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
  for (const permission of neededFor(config)) context.auth.authorise(principal, permission);
  await context.limits.check(config);
  await context.quietEngine.templates.inspect(config.templateId ?? 'base');
  return { valid: true };
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
  return vmOf(await engine.sandboxes.start(before.id, { signal }));
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
    vcpus: info.vcpus,
    memory_mb: info.memoryMb,
    disk_mb: info.diskSizeMb,
    max_processes: config.maxProcesses,
    timeout_seconds: config.timeoutMs / 1000,
    idle_timeout_seconds: idle.timeoutMs(info.id) / 1000,
  };
}

/** All that is known; environments of commands may hold secrets and are told by name only. */
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
