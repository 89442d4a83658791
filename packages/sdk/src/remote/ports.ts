import { inCamelCase } from '@novasandbox/protocol/api';
import type { HttpClient } from './http.ts';

/** A port of the daemon's host, on its loopback, that leads to a port of a sandbox. */
export interface PortForward {
  readonly id: string;
  readonly protocol: 'tcp' | 'udp';
  readonly hostAddress: string;
  readonly hostPort: number;
  readonly guestPort: number;
  /** The `hostPort` of the sandbox's config: it lasts as long as the sandbox runs. */
  readonly madeWithVm: boolean;
  /** False where the sandbox does not run, or the port was taken when the daemon started. */
  readonly listening: boolean;
}

export interface NewPortForward {
  readonly guestPort: number;
  /** Default: any free port. */
  readonly hostPort?: number | undefined;
}

/** An address under which whoever has it reaches one port of a sandbox, until it expires or is revoked. */
export interface PortUrl {
  readonly id: string;
  readonly port: number;
  /** Whether the server in the guest sees `localhost:<port>` as Host. */
  readonly rewriteHost: boolean;
  readonly expiresAt: string;
}

export interface NewPortUrl {
  readonly port: number;
  /** Default: one hour. */
  readonly expiresInMs?: number | undefined;
  /** Default: true. Dev servers refuse hosts that they do not know. */
  readonly rewriteHost?: boolean | undefined;
}

export interface CreatedPortUrl extends PortUrl {
  /** With the token in its query; the first visit exchanges it for a cookie. */
  readonly url: string;
  /** For programs, which send it as the header `Nova-Preview-Token`. It is returned only here. */
  readonly token: string;
}

/** The ports of sandboxes that a daemon offers to others. */
export interface PortService {
  list(ref: string): Promise<PortForward[]>;
  add(ref: string, forward: NewPortForward): Promise<PortForward>;
  remove(ref: string, id: string): Promise<void>;
  listUrls(ref: string): Promise<PortUrl[]>;
  createUrl(ref: string, url: NewPortUrl): Promise<CreatedPortUrl>;
  revokeUrl(ref: string, id: string): Promise<void>;
}

export function createRemotePorts(http: HttpClient): PortService {
  return {
    list: async (ref) => (await http.call('listPortForwards', { id: ref })).forwards.map(inCamelCase),
    async add(ref, { guestPort, hostPort }) {
      const body = { guest_port: guestPort, ...(hostPort === undefined ? {} : { host_port: hostPort }) };
      return inCamelCase(await http.call('createPortForward', { id: ref }, { body }));
    },
    remove: async (ref, id) => http.call('deletePortForward', { id: ref, forward: id }),
    listUrls: async (ref) => (await http.call('listPreviews', { id: ref })).previews.map(inCamelCase),
    async createUrl(ref, { port, expiresInMs, rewriteHost }) {
      const body = {
        port,
        ...(expiresInMs === undefined ? {} : { expires_in_seconds: Math.round(expiresInMs / 1000) }),
        ...(rewriteHost === undefined ? {} : { rewrite_host: rewriteHost }),
      };
      return inCamelCase(await http.call('createPreview', { id: ref }, { body }));
    },
    revokeUrl: async (ref, id) => http.call('deletePreview', { id: ref, preview: id }),
  };
}
