import { boolean, integer, list, object, oneOf, string, type Schema } from './schema.ts';

/**
 * The requests that Firecracker 1.16 and 1.17 accept, from its OpenAPI document
 * (src/firecracker/swagger/firecracker.yaml), reduced to the resources that we use. Where the document is silent, this
 * follows the program's own parsing of a body: it refuses fields that it does not know.
 */
const bucket = object({ size: integer, one_time_burst: integer, refill_time: integer }, ['size', 'refill_time']);
const rateLimiter = object({ bandwidth: bucket, ops: bucket });
const mebibytes: Schema = { type: 'integer', max: 0xffff_ffff };

/** Bodies by method and path; `*` stands for an id, which the body repeats under the given name. */
export const bodies: Readonly<Record<string, { readonly body: Schema; readonly id?: string }>> = {
  'PUT /actions': {
    body: object({ action_type: oneOf('FlushMetrics', 'InstanceStart', 'SendCtrlAltDel') }, ['action_type']),
  },
  'PUT /balloon': {
    body: object(
      {
        amount_mib: mebibytes,
        deflate_on_oom: boolean,
        stats_polling_interval_s: { type: 'integer', max: 0xffff },
        free_page_hinting: boolean,
        free_page_reporting: boolean,
      },
      ['amount_mib', 'deflate_on_oom'],
    ),
  },
  'PATCH /balloon': { body: object({ amount_mib: mebibytes }, ['amount_mib']) },
  'PUT /boot-source': {
    body: object({ kernel_image_path: string, initrd_path: string, boot_args: string }, ['kernel_image_path']),
  },
  'PUT /drives/*': {
    id: 'drive_id',
    body: object(
      {
        drive_id: string,
        partuuid: string,
        is_root_device: boolean,
        cache_type: oneOf('Unsafe', 'Writeback'),
        is_read_only: boolean,
        path_on_host: string,
        rate_limiter: rateLimiter,
        io_engine: oneOf('Sync', 'Async'),
        socket: string,
      },
      ['drive_id', 'is_root_device'],
    ),
  },
  'PATCH /drives/*': {
    id: 'drive_id',
    body: object({ drive_id: string, path_on_host: string, rate_limiter: rateLimiter }, ['drive_id']),
  },
  'PUT /entropy': { body: object({ rate_limiter: rateLimiter }) },
  'PUT /machine-config': {
    body: object(
      {
        cpu_template: oneOf('C3', 'T2', 'T2S', 'T2CL', 'T2A', 'V1N1', 'None'),
        smt: boolean,
        mem_size_mib: integer,
        track_dirty_pages: boolean,
        vcpu_count: { type: 'integer', max: 0xff },
        huge_pages: oneOf('None', 'Transparent', '2M'),
      },
      ['mem_size_mib', 'vcpu_count'],
    ),
  },
  'PUT /network-interfaces/*': {
    id: 'iface_id',
    body: object(
      {
        iface_id: string,
        host_dev_name: string,
        guest_mac: string,
        mtu: { type: 'integer', min: 68, max: 65_535 },
        rx_rate_limiter: rateLimiter,
        tx_rate_limiter: rateLimiter,
      },
      ['iface_id', 'host_dev_name'],
    ),
  },
  'PATCH /network-interfaces/*': {
    id: 'iface_id',
    body: object({ iface_id: string, rx_rate_limiter: rateLimiter, tx_rate_limiter: rateLimiter }, ['iface_id']),
  },
  'PUT /serial': { body: object({ serial_out_path: string, rate_limiter: bucket }) },
  'PUT /snapshot/create': {
    body: object({ mem_file_path: string, snapshot_path: string, snapshot_type: oneOf('Full', 'Diff') }, [
      'mem_file_path',
      'snapshot_path',
    ]),
  },
  'PUT /snapshot/load': {
    body: object(
      {
        enable_diff_snapshots: boolean,
        track_dirty_pages: boolean,
        mem_file_path: string,
        mem_backend: object({ backend_type: oneOf('File', 'Uffd'), backend_path: string }, [
          'backend_type',
          'backend_path',
        ]),
        snapshot_path: string,
        resume_vm: boolean,
        network_overrides: list(object({ iface_id: string, host_dev_name: string }, ['iface_id', 'host_dev_name'])),
        vsock_override: object({ uds_path: string }, ['uds_path']),
        clock_realtime: boolean,
      },
      ['snapshot_path'],
    ),
  },
  'PATCH /vm': { body: object({ state: oneOf('Paused', 'Resumed') }, ['state']) },
  'PUT /vsock': {
    body: object({ guest_cid: { type: 'integer', min: 3 }, uds_path: string, vsock_id: string }, [
      'guest_cid',
      'uds_path',
    ]),
  },
};
