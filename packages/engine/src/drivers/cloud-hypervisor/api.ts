import type { Socket } from 'node:net';
import { NovaError } from '@novasandbox/protocol';
import * as z from 'zod';
import { isUnanswered, patience } from '../../vmm/patience.ts';
import { unixHttpClient } from '../../vmm/unix-http.ts';

/** Name of the API's socket in a machine's socket folder. */
export const apiSocket = 'api';

const rateLimitSchema = z.object({ size: z.int(), refill_time: z.int() });

export const diskConfigSchema = z.looseObject({
  id: z.string(),
  path: z.string(),
  readonly: z.boolean(),
  image_type: z.literal('Raw'),
  serial: z.string().nullish(),
  rate_limiter_config: z.object({ bandwidth: rateLimitSchema.nullish(), ops: rateLimitSchema.nullish() }).nullish(),
});
export type DiskConfig = z.infer<typeof diskConfigSchema>;

export const netConfigSchema = z.looseObject({
  id: z.string(),
  tap: z.string(),
  mac: z.string(),
  rate_limiter_config: diskConfigSchema.shape.rate_limiter_config,
});
export type NetConfig = z.infer<typeof netConfigSchema>;

/**
 * The part of the VMM's `VmConfig` that a machine is made of; other fields of a snapshot's config.json are passed on
 * unchanged
 * (https://github.com/cloud-hypervisor/cloud-hypervisor/blob/v53.0/vmm/src/api/openapi/cloud-hypervisor.yaml).
 */
export const vmConfigSchema = z.looseObject({
  payload: z.looseObject({
    kernel: z.string().nullish(),
    initramfs: z.string().nullish(),
    cmdline: z.string().nullish(),
    firmware: z.string().nullish(),
  }),
  cpus: z.looseObject({
    boot_vcpus: z.int(),
    max_vcpus: z.int(),
    kvm_hyperv: z.boolean().optional(),
    nested: z.boolean().optional(),
  }),
  memory: z.looseObject({ size: z.int(), hotplug_size: z.int().nullish() }),
  disks: z.array(diskConfigSchema).nullish(),
  net: z.array(netConfigSchema).nullish(),
  vsock: z.looseObject({ id: z.string(), cid: z.int(), socket: z.string() }),
  balloon: z.looseObject({ id: z.string(), size: z.int() }).nullish(),
  landlock_enable: z.boolean(),
  landlock_rules: z.array(z.object({ path: z.string(), access: z.string() })).nullish(),
});
export type VmConfig = z.infer<typeof vmConfigSchema>;

const vmInfoSchema = z.object({
  state: z.enum(['Created', 'Running', 'Shutdown', 'Paused', 'BreakPoint']),
  config: vmConfigSchema,
});
export type VmInfo = z.infer<typeof vmInfoSchema>;

export interface RestoreConfig {
  /** `file://` and the folder with config.json, state.json and memory-ranges. */
  readonly source_url: string;
  readonly memory_restore_mode: 'Copy' | 'OnDemand';
  readonly resume: boolean;
}

/** Sizes in bytes. */
export interface Resize {
  readonly desired_vcpus?: number;
  readonly desired_ram?: number;
  readonly desired_balloon?: number;
}

/**
 * The VMM's REST API on its socket. Every call rejects with `vmm_failed` and the VMM's own words when it refuses,
 * `cancelled` on abort.
 */
export interface CloudHypervisorApi extends Disposable {
  create(config: VmConfig, signal?: AbortSignal): Promise<void>;
  boot(signal?: AbortSignal): Promise<void>;
  info(signal?: AbortSignal): Promise<VmInfo>;
  pause(signal?: AbortSignal): Promise<void>;
  resume(signal?: AbortSignal): Promise<void>;
  snapshot(directory: string, signal?: AbortSignal): Promise<void>;
  restore(config: RestoreConfig, signal?: AbortSignal): Promise<void>;
  resize(to: Resize, signal?: AbortSignal): Promise<void>;
  /** `bytes`: the new size of the disk. */
  resizeDisk(id: string, bytes: number, signal?: AbortSignal): Promise<void>;
  addDisk(disk: DiskConfig, signal?: AbortSignal): Promise<void>;
  addNet(net: NetConfig, signal?: AbortSignal): Promise<void>;
  removeDevice(id: string, signal?: AbortSignal): Promise<void>;
}

const pathOf = (name: string): string => `/api/v1/${name}`;

/** Opens the API over a connection to its socket. */
export function openApi(connection: Socket): CloudHypervisorApi {
  const client = unixHttpClient(connection);
  const call = async (
    method: 'GET' | 'PUT',
    name: string,
    body: unknown,
    signal: AbortSignal | undefined,
    limitMs?: number,
  ): Promise<unknown> => {
    const answer = await client.call(method, pathOf(name), body, signal, limitMs);
    if (answer.status === 200 || answer.status === 204) return answer.body;
    throw new NovaError('vmm_failed', `Cloud Hypervisor refused ${name}: ${reasonOf(answer.body, answer.status)}`, {
      details: { status: answer.status },
    });
  };
  const put = async (name: string, body: unknown, signal?: AbortSignal, limitMs?: number): Promise<void> =>
    void (await call('PUT', name, body, signal, limitMs));
  return {
    create: (config, signal) => put('vm.create', config, signal),
    boot: (signal) => put('vm.boot', undefined, signal),
    async info(signal) {
      const found = vmInfoSchema.safeParse(await call('GET', 'vm.info', undefined, signal));
      if (found.success) return found.data;
      throw new NovaError('vmm_failed', `Cloud Hypervisor told nonsense of its machine: ${found.error.message}`);
    },
    async pause(signal) {
      try {
        await put('vm.pause', undefined, signal);
      } catch (error) {
        // The VMM may still pause later, although the record says that the machine runs; so it is told to resume.
        if (isUnanswered(error)) client.leave('PUT', pathOf('vm.resume'));
        throw error;
      }
    },
    resume: (signal) => put('vm.resume', undefined, signal),
    snapshot: (directory, signal) =>
      put('vm.snapshot', { destination_url: `file://${directory}` }, signal, patience.memoryMs),
    restore: (config, signal) => put('vm.restore', config, signal, patience.memoryMs),
    resize: (to, signal) => put('vm.resize', to, signal),
    resizeDisk: (id, bytes, signal) => put('vm.resize-disk', { id, desired_size: bytes }, signal),
    addDisk: (disk, signal) => put('vm.add-disk', disk, signal),
    addNet: (net, signal) => put('vm.add-net', net, signal),
    removeDevice: (id, signal) => put('vm.remove-device', { id }, signal),
    [Symbol.dispose]: () => client.close(),
  };
}

/** Errors are a JSON list: the failure first, then each cause. */
function reasonOf(body: unknown, status: number): string {
  const list = z.array(z.string()).safeParse(body);
  if (list.success && list.data.length > 0) return list.data.join(': ');
  return typeof body === 'string' && body !== '' ? body : `status ${status}`;
}
