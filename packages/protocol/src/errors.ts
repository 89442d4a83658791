import { storageFailureOf } from '#storage-errors';

/**
 * All errors a caller can meet, in one exhaustive table: a new code does not compile without an HTTP status and a hint.
 * A test compares docs/errors.md with this table.
 */
export interface ErrorEntry {
  /** HTTP status of the server's response. */
  readonly status: number;
  /** Tells the reader how to resolve the error. */
  readonly hint: string;
}

export const errorTable = {
  invalid_argument: { status: 422, hint: 'Correct the named field and call again.' },
  unknown_template: {
    status: 404,
    hint: 'List the templates with `nova template ls`, or build one with `nova template build`.',
  },
  template_not_buildable: {
    status: 501,
    hint: 'Use a template built from packages, or a folder with vmlinux and rootfs.ext4.',
  },
  template_build_failed: {
    status: 500,
    hint: 'Read the build log named in the message, mend template.json and build again.',
  },
  image_not_found: {
    status: 404,
    hint: 'Check the name, the tag and the processor of the image.',
  },
  registry_denied: {
    status: 403,
    hint: 'Log in with `docker login` as the user that runs NovaSandbox: its credentials are taken from there.',
  },
  image_invalid: { status: 422, hint: 'Use another image, or make this one anew with a current tool.' },
  sandbox_not_found: { status: 404, hint: 'List the sandboxes with `nova ls --all`; names and id prefixes work too.' },
  sandbox_exists: { status: 409, hint: 'Choose another name, or remove the sandbox that has it.' },
  sandbox_not_running: { status: 409, hint: 'Start it with `nova start`, or resume it with `nova resume`.' },
  volume_not_found: { status: 404, hint: 'List the volumes with `nova volume ls`.' },
  volume_exists: { status: 409, hint: 'Choose another name, or remove the volume that has it.' },
  volume_in_use: {
    status: 409,
    hint: 'Stop or remove the sandbox that has it. One sandbox can write to a volume, or several can read it.',
  },
  network_not_found: { status: 404, hint: 'List the private networks with `nova network ls`.' },
  network_exists: { status: 409, hint: 'Choose another name, or remove the network that has it.' },
  network_in_use: { status: 409, hint: 'Remove the sandboxes that have joined it; `nova network inspect` names them.' },
  invalid_state: { status: 409, hint: 'Look at the state with `nova inspect` and call what fits it.' },
  hypervisor_unavailable: { status: 503, hint: 'Run `nova doctor`: it says what is missing and how to install it.' },
  feature_unsupported: { status: 409, hint: 'Choose a hypervisor that can do it; the message names them.' },
  vmm_failed: { status: 500, hint: 'Read the VMM log with `nova logs --vmm`.' },
  boot_timeout: { status: 504, hint: 'Raise bootTimeoutMs, or read the console with `nova logs`.' },
  boot_failed: { status: 500, hint: 'Read the console with `nova logs`; the last lines say what the guest missed.' },
  snapshot_failed: { status: 500, hint: 'The sandbox goes on; free disk space and try again.' },
  snapshot_incompatible: {
    status: 409,
    hint: 'Restore it with the hypervisor and version that made it, or start from the disk: disks work with all.',
  },
  snapshot_not_found: {
    status: 404,
    hint: 'List the snapshots with `nova snapshot ls`; names and id prefixes work too.',
  },
  snapshot_damaged: {
    status: 409,
    hint: 'Its files are not as they were written: look at `nova snapshot verify`, use another snapshot, or load it anew.',
  },
  guest_unreachable: {
    status: 502,
    hint: 'The guest has stopped answering: read `nova logs`, then stop or remove the sandbox.',
  },
  guest_protocol_error: {
    status: 502,
    hint: 'The guest sent what no agent sends; treat it as hostile and remove the sandbox.',
  },
  channel_busy: {
    status: 429,
    hint: 'Too many processes of this host talk to the sandbox at once: wait for one to end.',
  },
  command_not_found: { status: 422, hint: 'Install the program in the sandbox, or give its full path.' },
  command_not_executable: { status: 422, hint: 'Make the file executable, or run it with its interpreter.' },
  unknown_user: { status: 422, hint: 'Use a user of the guest, such as root or user.' },
  process_not_found: { status: 404, hint: 'The process has ended; list the running ones.' },
  command_failed: { status: 422, hint: 'The exit code and the output are in the error.' },
  command_outcome_unknown: {
    status: 504,
    hint: 'It may have run, wholly or in part: look at what it would have done before running it again.',
  },
  hook_failed: {
    status: 422,
    hint: 'Mend the program in /etc/nova/fork.d of the sandbox, or remove it there; its output is in the error.',
  },
  command_timeout: { status: 408, hint: 'Raise the time limit of the command (0 for none).' },
  file_not_found: { status: 404, hint: 'Check the path; relative paths start at the home of the user.' },
  file_exists: { status: 409, hint: 'Choose another path or remove what is there.' },
  is_a_directory: { status: 422, hint: 'Name a file, or copy the directory as a whole.' },
  not_a_directory: { status: 422, hint: 'Name a directory.' },
  directory_not_empty: { status: 409, hint: 'Remove its contents first.' },
  permission_denied: { status: 403, hint: 'Use a user that may do this, such as root.' },
  guest_resource_exhausted: {
    status: 507,
    hint: 'The guest is out of memory, disk or processes: give it more, or free some.',
  },
  connection_refused: { status: 502, hint: 'Nothing listens on that port in the guest.' },
  port_in_use: { status: 409, hint: 'Choose another hostPort, or end what uses it.' },
  network_failed: { status: 500, hint: 'Run `nova doctor --fresh`: it says whether this host can make network slots.' },
  host_resource_exhausted: { status: 507, hint: 'Free memory or disk on the host, or remove sandboxes.' },
  storage_failed: {
    status: 500,
    hint: 'See that the disk of the state folder is sound and can be written to, then call again.',
  },
  set_up_failed: { status: 500, hint: 'The message names the step; mend it and run the same command again.' },
  download_failed: { status: 502, hint: 'Check the network and the address, and call again.' },
  checksum_mismatch: {
    status: 502,
    hint: 'Nothing of it is kept. Fetch it again; where it stays so, do not trust the source, nor the mirror if there is one.',
  },
  malformed_request: { status: 400, hint: 'Send what the OpenAPI document describes; JSON must be whole and valid.' },
  unauthenticated: {
    status: 401,
    hint: 'Send a key as `X-API-Key` or `Authorization: Bearer`; the admin key is in admin.key of the state folder.',
  },
  forbidden: { status: 403, hint: 'Use a key or user whose role and scopes include the permission named.' },
  not_found: { status: 404, hint: 'Check the address; /docs lists what there is.' },
  method_not_allowed: { status: 405, hint: 'Use a method that the Allow header names.' },
  request_timeout: { status: 408, hint: 'Send the whole request without pauses.' },
  conflict: { status: 409, hint: 'Look at what is there, and call what fits it.' },
  idempotency_conflict: {
    status: 409,
    hint: 'Use a new Idempotency-Key for another request, or repeat the first one exactly.',
  },
  headers_too_large: { status: 431, hint: 'Send smaller headers, such as fewer or smaller cookies.' },
  payload_too_large: { status: 413, hint: 'Send less, or send it as a file: files are streamed without limit.' },
  unsupported_media_type: { status: 415, hint: 'Send application/json, or what the OpenAPI document names.' },
  range_not_satisfiable: { status: 416, hint: 'Ask for a range that begins within the file.' },
  upgrade_required: { status: 426, hint: 'Connect with a WebSocket client.' },
  rate_limited: { status: 429, hint: 'Wait as long as Retry-After says.' },
  vm_limit_reached: { status: 429, hint: 'Remove a VM, or have resources.max_vms raised.' },
  server_unreachable: {
    status: 503,
    hint: 'Check that the daemon runs (`nova serve`) and that its address is right, or work embedded: NOVA_EMBEDDED=1.',
  },
  shutting_down: { status: 503, hint: 'The daemon is ending; call again when it has started anew.' },
  cancelled: { status: 499, hint: 'The caller gave up; nothing was left behind.' },
  not_implemented: { status: 501, hint: 'This part is not there yet.' },
  internal: {
    status: 500,
    hint: 'This is a defect of NovaSandbox: please report it with the output of `nova doctor`.',
  },
} as const satisfies Record<string, ErrorEntry>;

export type ErrorCode = keyof typeof errorTable;

export interface NovaErrorOptions {
  readonly cause?: unknown;
  /** Replaces the table's hint if the caller knows a better one. */
  readonly hint?: string;
  readonly details?: Readonly<Record<string, unknown>>;
}

/** The only type of error that leaves NovaSandbox: a code of the table, a specific message, and a hint. */
export class NovaError extends Error {
  override readonly name = 'NovaError';
  readonly code: ErrorCode;
  readonly hint: string;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(code: ErrorCode, message: string, options: NovaErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.hint = options.hint ?? errorTable[code].hint;
    this.details = options.details ?? {};
  }

  get status(): number {
    return errorTable[this.code].status;
  }

  toJSON(): { code: ErrorCode; message: string; hint: string; details: Readonly<Record<string, unknown>> } {
    return { code: this.code, message: this.message, hint: this.hint, details: this.details };
  }
}

/** Whether `error` is a NovaError and, if codes are given, has one of them. */
export function isNovaError(error: unknown, ...codes: ErrorCode[]): error is NovaError {
  return error instanceof NovaError && (codes.length === 0 || codes.includes(error.code));
}

/** Converts anything thrown to a NovaError: aborts become `cancelled`, unexpected errors become `internal`. */
export function toNovaError(error: unknown): NovaError {
  if (error instanceof NovaError) return error;
  // The message reports the first error; a failed clean-up is mentioned in the details. Node 20 has no class for both.
  if (error instanceof Error && error.name === 'SuppressedError' && 'suppressed' in error && 'error' in error) {
    const first = toNovaError(error.suppressed);
    const details = { ...first.details, afterwards: String(error.error) };
    return new NovaError(first.code, first.message, { cause: error, hint: first.hint, details });
  }
  if (error instanceof Error && (error.name === 'AbortError' || error.name === 'TimeoutError')) {
    return new NovaError('cancelled', 'The operation was cancelled.', { cause: error });
  }
  const message = error instanceof Error ? error.message : String(error);
  const storage = storageFailureOf(error);
  if (storage === null) return new NovaError('internal', message, { cause: error });
  const { code, what, hint } = storage;
  return new NovaError(code, `${what}: ${message}`, { cause: error, ...(hint === undefined ? {} : { hint }) });
}
