import type { Permission } from '@novasandbox/protocol/api';
import type { Services } from '../context.ts';

/** The thing that a call of the engine acts on; authority/engine.ts says how each is guarded. */
export type Target =
  /** A sandbox: its first argument. */
  | 'sandbox'
  /** A sandbox that it makes. */
  | 'new sandbox'
  /** All sandboxes that the caller may see. */
  | 'sandboxes'
  /** Something of the host's, which is there for all. */
  | 'host';

export interface Rule {
  readonly on: Target;
  /** null: being allowed to act on the thing at all is enough; its routes ask for more. */
  readonly needs: Permission | null;
}

const sandbox = (needs: Permission | null): Rule => ({ on: 'sandbox', needs });
const host = (needs: Permission): Rule => ({ on: 'host', needs });

/** The rule of each call of the engine. A service or a call without one does not compile. */
export const rules: { readonly [S in keyof Services]: { readonly [M in keyof Services[S]]-?: Rule } } = {
  sandboxes: {
    create: { on: 'new sandbox', needs: 'vm:create' },
    get: sandbox(null),
    config: sandbox('vm:read'),
    list: { on: 'sandboxes', needs: 'vm:read' },
    start: sandbox('vm:start'),
    stop: sandbox('vm:stop'),
    pause: sandbox('vm:stop'),
    resume: sandbox('vm:start'),
    remove: sandbox('vm:delete'),
    stats: sandbox('vm:read'),
    setTimeout: sandbox('vm:update'),
    logs: sandbox('vm:read'),
    guestInfo: sandbox('vm:read'),
    resize: sandbox('vm:update'),
    // Drives are files of the host.
    addDrive: sandbox('system:admin'),
    removeDrive: sandbox('system:admin'),
    addNetwork: sandbox('network:write'),
    removeNetwork: sandbox('network:write'),
    exited: sandbox(null),
  },
  exec: {
    start: sandbox('guest:execute'),
    startDetached: sandbox('guest:execute'),
    attach: sandbox('guest:execute'),
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
    tunnel: sandbox('guest:connect'),
  },
  templates: {
    list: host('template:read'),
    inspect: host('template:read'),
    build: host('template:build'),
    remove: host('template:delete'),
  },
};
