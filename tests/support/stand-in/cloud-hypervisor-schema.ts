import { boolean, integer, list, object, oneOf, string, type Schema } from './schema.ts';

/**
 * The requests that Cloud Hypervisor 53 accepts, from its OpenAPI document (vmm/src/api/openapi/cloud-hypervisor.yaml),
 * reduced to the devices that we use.
 */
const bucket = object({ size: integer, one_time_burst: integer, refill_time: integer }, ['size', 'refill_time']);
const rateLimiter = object({ bandwidth: bucket, ops: bucket });
const pciDevice = {
  id: string,
  iommu: boolean,
  pci_segment: integer,
  pci_device_id: { type: 'integer', max: 255 },
} as const satisfies Record<string, Schema>;
const consoleMode = oneOf('Off', 'Pty', 'Tty', 'File', 'Socket', 'Null');
const atLeastOne: Schema = { type: 'integer', min: 1 };

const disk = object({
  ...pciDevice,
  path: string,
  readonly: boolean,
  direct: boolean,
  num_queues: integer,
  queue_size: integer,
  vhost_user: boolean,
  vhost_socket: string,
  rate_limiter_config: rateLimiter,
  serial: string,
  rate_limit_group: string,
  backing_files: boolean,
  sparse: boolean,
  image_type: oneOf('FixedVhd', 'Qcow2', 'Raw', 'Vhdx', 'Unknown'),
  lock_granularity: oneOf('ByteRange', 'Full'),
});

const net = object({
  ...pciDevice,
  tap: string,
  ip: string,
  mask: string,
  mac: string,
  host_mac: string,
  mtu: integer,
  num_queues: integer,
  queue_size: integer,
  vhost_user: boolean,
  vhost_socket: string,
  vhost_mode: string,
  rate_limiter_config: rateLimiter,
  offload_tso: boolean,
  offload_ufo: boolean,
  offload_csum: boolean,
});

export const vmConfig = object(
  {
    payload: object({ firmware: string, kernel: string, cmdline: string, initramfs: string }),
    cpus: object(
      {
        boot_vcpus: atLeastOne,
        max_vcpus: atLeastOne,
        kvm_hyperv: boolean,
        max_phys_bits: integer,
        nested: boolean,
        core_scheduling: oneOf('Vm', 'Vcpu', 'Off'),
      },
      ['boot_vcpus', 'max_vcpus'],
    ),
    memory: object(
      {
        size: integer,
        hotplug_size: integer,
        hotplugged_size: integer,
        mergeable: boolean,
        hotplug_method: oneOf('Acpi', 'VirtioMem'),
        shared: boolean,
        hugepages: boolean,
        prefault: boolean,
        reserve: boolean,
        thp: boolean,
      },
      ['size'],
    ),
    disks: list(disk),
    net: list(net),
    rng: object({ ...pciDevice, src: string }, ['src']),
    balloon: object({ ...pciDevice, size: integer, deflate_on_oom: boolean, free_page_reporting: boolean }, ['size']),
    serial: object({ file: string, socket: string, mode: consoleMode }, ['mode']),
    console: object({ ...pciDevice, file: string, socket: string, mode: consoleMode }, ['mode']),
    vsock: object({ ...pciDevice, cid: { type: 'integer', min: 3 }, socket: string }, ['cid', 'socket']),
    landlock_enable: boolean,
    landlock_rules: list(object({ path: string, access: string }, ['path', 'access'])),
  },
  ['payload'],
);

/** Bodies of the calls that have one. */
export const bodies: Readonly<Record<string, Schema>> = {
  'vm.create': vmConfig,
  'vm.add-disk': disk,
  'vm.add-net': net,
  'vm.remove-device': object({ id: string }, ['id']),
  'vm.resize': object({ desired_vcpus: atLeastOne, desired_ram: integer, desired_balloon: integer }),
  'vm.snapshot': object({ destination_url: string }, ['destination_url']),
  'vm.restore': object(
    {
      source_url: string,
      prefault: boolean,
      memory_restore_mode: oneOf('Copy', 'OnDemand'),
      resume: boolean,
    },
    ['source_url'],
  ),
};
