import { randomBytes } from 'node:crypto';
import type { Duplex } from 'node:stream';
import { NovaError } from '@novasandbox/protocol';
import { matches, sha256 } from '../auth/secrets.ts';
import type { PreviewDoor } from '../context.ts';
import type { PreviewRow, ServerStore } from '../store/server-store.ts';

export type { PreviewRow };

/** Addresses that open one port of a VM to whoever has their token, until they expire or are revoked. */
export interface Previews extends PreviewDoor {
  /** Those that have not expired. */
  list(vmId: string): readonly PreviewRow[];
  /** The token is told only here. */
  add(vmId: string, preview: NewPreview): { readonly preview: PreviewRow; readonly token: string };
  /** Also ends the connections that were upgraded under it. Throws `not_found`. */
  remove(vmId: string, id: string): void;
  /** Removes those of a removed VM. */
  forget(vmId: string): void;
  /** Removes those of VMs that are gone, after a restart of the daemon. */
  prune(vmIds: ReadonlySet<string>): void;
}

export interface NewPreview {
  readonly port: number;
  readonly expiresInMs: number;
  readonly rewriteHost: boolean;
}

const maxPerVm = 64;
/** The longest time that a timer can count. */
const maxTimerMs = 2 ** 31 - 1;

export function createPreviews(store: Pick<ServerStore, 'previews' | 'putPreview' | 'removePreview'>): Previews {
  const rows = new Map(store.previews().map((row) => [row.id, row]));
  const held = new Map<string, Set<Duplex>>();
  const isOver = ({ expiresAtMs }: PreviewRow): boolean => expiresAtMs <= Date.now();
  const drop = (id: string): void => {
    rows.delete(id);
    for (const connection of held.get(id) ?? []) connection.destroy();
    store.removePreview(id);
  };
  const dropWhere = (matching: (row: PreviewRow) => boolean): void => {
    for (const row of rows.values()) if (matching(row)) drop(row.id);
  };
  const list = (vmId: string): PreviewRow[] => {
    dropWhere(isOver);
    return [...rows.values()].filter((row) => row.vmId === vmId);
  };
  return {
    list,
    add(vmId, { port, expiresInMs, rewriteHost }) {
      if (list(vmId).length >= maxPerVm) {
        throw new NovaError('conflict', `The VM has ${maxPerVm} preview addresses already.`, {
          hint: 'Revoke one that is not needed.',
        });
      }
      const id = randomBytes(6).toString('hex');
      const token = `${id}_${randomBytes(24).toString('hex')}`;
      const preview = { id, vmId, port, hash: sha256(token), expiresAtMs: Date.now() + expiresInMs, rewriteHost };
      store.putPreview(preview);
      rows.set(id, preview);
      return { preview, token };
    },
    remove(vmId, id) {
      if (rows.get(id)?.vmId !== vmId) throw new NovaError('not_found', `The VM has no preview address "${id}".`);
      drop(id);
    },
    forget: (vmId) => dropWhere((row) => row.vmId === vmId),
    prune: (vmIds) => dropWhere((row) => !vmIds.has(row.vmId) || isOver(row)),
    openedBy(token, vmId, port) {
      const row = rows.get(token.split('_', 1)[0] ?? '');
      if (row === undefined || row.vmId !== vmId || row.port !== port || isOver(row)) return null;
      return matches(sha256(token), row.hash) ? row : null;
    },
    hold({ id, expiresAtMs }, connection) {
      const connections = held.get(id) ?? new Set();
      held.set(id, connections.add(connection));
      const timer = setTimeout(() => connection.destroy(), Math.min(expiresAtMs - Date.now(), maxTimerMs));
      timer.unref();
      return {
        [Symbol.dispose]() {
          clearTimeout(timer);
          connections.delete(connection);
          if (connections.size === 0 && held.get(id) === connections) held.delete(id);
        },
      };
    },
  };
}
