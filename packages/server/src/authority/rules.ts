import type { Permission } from '@novasandbox/protocol/api';
import type { Services } from '../context.ts';

/** Kinds of things that a call of the engine acts on; authority/engine.ts defines how each kind is guarded. */
export type Target =
  /** The sandbox that its first argument names. */
  | 'sandbox'
  /** The same, and the policy that its second argument is. */
  | 'sandbox and policy'
  /** A sandbox that the call creates. */
  | 'new sandbox'
  /** Children of the sandbox, or a snapshot of it, which the call makes. */
  | 'new of sandbox'
  /** All sandboxes, snapshots, volumes or networks that the caller may see, filtered by its first argument. */
  | 'many'
  /** The same without a filter. */
  | 'all'
  /** The snapshot that its first argument names. */
  | 'snapshot'
  /** The same; a third argument names its sandbox. */
  | 'snapshot of a sandbox'
  /** The sandbox that its first argument names, and the snapshot that its second one names, rather of that sandbox. */
  | 'sandbox and snapshot'
  /** A sandbox that the call makes from the snapshot. */
  | 'new of snapshot'
  /** A snapshot that the call makes of something else. */
  | 'new snapshot'
  /** The volume that its first argument names. */
  | 'volume'
  /** A volume that the call creates. */
  | 'new volume'
  /** The private network that its first argument names. */
  | 'network'
  /** A private network that the call creates. */
  | 'new network'
  /** The policy that its first argument names, and the one that its second argument is. */
  | 'policy'
  /** A policy with a name that the call creates. */
  | 'new policy'
  /** A policy that is only looked at. */
  | 'policy to test'
  /** The question about a sandbox whose id its first argument is, and the answer to it. */
  | 'approval'
  /** Something of the host that all callers share. */
  | 'host'
  /** The same; the second argument may name an image of the host. */
  | 'host and image';

export interface Rule {
  readonly on: Target;
  /** null: no permission is needed beside access to the sandbox; routes may require one. */
  readonly needs: Permission | null;
}

const sandbox = (needs: Permission | null): Rule => ({ on: 'sandbox', needs });
const volume = (needs: Permission): Rule => ({ on: 'volume', needs });
const host = (needs: Permission): Rule => ({ on: 'host', needs });

/** The rule of each call of the engine. A service or call without a rule does not compile. */
export const rules: { readonly [S in keyof Services]: { readonly [M in keyof Services[S]]-?: Rule } } = {
  sandboxes: {
    create: { on: 'new sandbox', needs: 'vm:create' },
    get: sandbox(null),
    config: sandbox('vm:read'),
    list: { on: 'many', needs: 'vm:read' },
    start: sandbox('vm:start'),
    stop: sandbox('vm:stop'),
    pause: sandbox('vm:stop'),
    resume: sandbox('vm:start'),
    hibernate: sandbox('vm:stop'),
    remove: sandbox('vm:delete'),
    stats: sandbox('vm:read'),
    setTimeout: sandbox('vm:update'),
    rename: sandbox('vm:update'),
    logs: sandbox('vm:read'),
    guestInfo: sandbox('vm:read'),
    resize: sandbox('vm:update'),
    // Drives are files of the host, which only an admin may name.
    addDrive: sandbox('system:admin'),
    removeDrive: sandbox('system:admin'),
    addNetwork: sandbox('network:write'),
    removeNetwork: sandbox('network:write'),
    setPolicy: { on: 'sandbox and policy', needs: 'vm:update' },
    secrets: sandbox('vm:read'),
    setSecret: sandbox('vm:update'),
    removeSecret: sandbox('vm:update'),
    decisions: sandbox('vm:read'),
    exited: sandbox(null),
  },
  exec: {
    start: sandbox('guest:execute'),
    startDetached: sandbox('guest:execute'),
    attach: sandbox('guest:execute'),
    output: sandbox('guest:execute'),
    signal: sandbox('guest:execute'),
    list: sandbox('vm:read'),
    ping: sandbox('vm:read'),
  },
  files: {
    read: sandbox('guest:file_transfer'),
    write: sandbox('guest:file_transfer'),
    stat: sandbox('guest:file_transfer'),
    list: sandbox('guest:file_transfer'),
    makeDirectory: sandbox('guest:file_transfer'),
    move: sandbox('guest:file_transfer'),
    remove: sandbox('guest:file_transfer'),
    setAttributes: sandbox('guest:file_transfer'),
    watch: sandbox('guest:file_transfer'),
    tarIn: sandbox('guest:file_transfer'),
    tarOut: sandbox('guest:file_transfer'),
    manifest: sandbox('guest:file_transfer'),
    tunnel: sandbox('guest:connect'),
  },
  snapshots: {
    take: { on: 'new of sandbox', needs: 'snapshot:create' },
    get: { on: 'snapshot of a sandbox', needs: 'snapshot:read' },
    list: { on: 'many', needs: 'snapshot:read' },
    remove: { on: 'snapshot', needs: 'snapshot:delete' },
    verify: { on: 'snapshot', needs: 'snapshot:read' },
    create: { on: 'new of snapshot', needs: 'vm:create' },
    restore: { on: 'sandbox and snapshot', needs: 'vm:update' },
    fork: { on: 'new of sandbox', needs: 'vm:create' },
    // The file holds the files and the memory of a guest, which `snapshot:read` alone does not open.
    save: { on: 'snapshot', needs: 'guest:file_transfer' },
    load: { on: 'new snapshot', needs: 'snapshot:create' },
    statistics: { on: 'all', needs: 'snapshot:read' },
    removeOlder: { on: 'many', needs: 'snapshot:delete' },
  },
  pool: {
    status: host('resource:read'),
    drain: host('system:admin'),
  },
  templates: {
    list: host('template:read'),
    inspect: host('template:read'),
    build: { on: 'host and image', needs: 'template:build' },
    remove: host('template:delete'),
  },
  // They tell of what belongs to others.
  storage: { usage: host('system:admin'), collect: host('system:admin') },
  volumes: {
    create: { on: 'new volume', needs: 'volume:write' },
    get: volume('volume:read'),
    list: { on: 'all', needs: 'volume:read' },
    resize: volume('volume:write'),
    remove: volume('volume:delete'),
  },
  // They connect sandboxes of those who may see them, and nothing else.
  networks: {
    create: { on: 'new network', needs: 'vm:create' },
    get: { on: 'network', needs: 'vm:read' },
    list: { on: 'all', needs: 'vm:read' },
    isolate: { on: 'network', needs: 'vm:update' },
    remove: { on: 'network', needs: 'vm:delete' },
  },
  // Whoever may say what a sandbox reaches may also keep that under a name, and answer questions about it.
  policies: {
    create: { on: 'new policy', needs: 'vm:update' },
    get: { on: 'policy', needs: 'vm:read' },
    list: { on: 'all', needs: 'vm:read' },
    change: { on: 'policy', needs: 'vm:update' },
    remove: { on: 'policy', needs: 'vm:update' },
    test: { on: 'policy to test', needs: 'vm:read' },
    learned: sandbox('vm:read'),
    approvals: { on: 'many', needs: 'vm:read' },
    answer: { on: 'approval', needs: 'vm:update' },
  },
};
