import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import { sandboxIdSchema } from '@novasandbox/protocol';
import { agentPort } from '../agent-port.ts';

export type Target =
  /** A port of a sandbox. */
  | { readonly kind: 'port'; readonly sandboxId: string; readonly port: number }
  /** A signed URL that does not name its sandbox. */
  | { readonly kind: 'signed' }
  /** Meant for the data plane, but invalid or ambiguous. */
  | { readonly kind: 'refused'; readonly reason: string };

type RequestHead = Pick<IncomingMessage, 'url' | 'rawHeaders'>;

/**
 * Returns the target of a request; null when it is not for the data plane. Sandboxes answer at `<port>-<id>.<domain>`.
 */
export function targetOf({ url = '/', rawHeaders }: RequestHead, domain: string): Target | null {
  const { hosts, ids, ports } = routingOf(rawHeaders);
  const host = hostName(hosts[0] ?? '');
  const suffix = `.${hostName(domain)}`;
  const label = host.endsWith(suffix) ? /^(\d{1,5})-([a-z0-9]+)$/.exec(host.slice(0, -suffix.length)) : null;
  if (hosts.length > 1 && (label !== null || ids.length > 0)) return { kind: 'refused', reason: 'more than one Host' };
  if (label !== null) return portOf(label[2] ?? '', label[1] ?? '');
  // Under any other host name the headers are ignored: a browser could be made to send them to a name of an attacker
  // that resolves to this server.
  if (!trustsHeaders(host)) return null;
  if (ids.length > 0) {
    if (ids.length > 1 || ports.length > 1) return { kind: 'refused', reason: 'more than one sandbox named' };
    return portOf(ids[0] ?? '', ports[0] ?? String(agentPort));
  }
  const mark = url.indexOf('?');
  if (mark !== -1 && url.slice(0, mark) === '/files' && new URLSearchParams(url.slice(mark)).has('signature'))
    return { kind: 'signed' };
  return null;
}

function portOf(id: string, portText: string): Target {
  const port = /^\d{1,5}$/.test(portText) ? Number(portText) : 0;
  if (port < 1 || port > 65_535) return { kind: 'refused', reason: 'no such port' };
  if (!sandboxIdSchema.safeParse(id).success) return { kind: 'refused', reason: 'no sandbox id' };
  return { kind: 'port', sandboxId: id, port };
}

/** Returns a host in lower case, without port and brackets. */
function hostName(host: string): string {
  const bracketed = /^\[([0-9a-fA-F:.]+)\](?::\d{1,5})?$/.exec(host);
  if (bracketed !== null) return (bracketed[1] ?? '').toLowerCase();
  const plain = /^([A-Za-z0-9._-]+)(?::\d{1,5})?$/.exec(host);
  return (plain?.[1] ?? '').toLowerCase();
}

function trustsHeaders(host: string): boolean {
  return host === 'localhost' || host.endsWith('.localhost') || isIP(host) !== 0 || host.startsWith('sandbox.');
}

/** Collects the headers that name the target. Every request passes here, so the headers are read only once. */
function routingOf(rawHeaders: readonly string[]) {
  const hosts: string[] = [];
  const ids: string[] = [];
  const ports: string[] = [];
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    const name = rawHeaders[index] ?? '';
    // The length is compared first, because names come in any case and a comparison without case is slow.
    const values =
      name.length === 4 && /^host$/i.test(name)
        ? hosts
        : name.length === 14 && /^e2b-sandbox-id$/i.test(name)
          ? ids
          : name.length === 16 && /^e2b-sandbox-port$/i.test(name)
            ? ports
            : null;
    values?.push(rawHeaders[index + 1] ?? '');
  }
  return { hosts, ids, ports };
}

/** Returns every value of a header as it was sent: Node keeps only the first of some headers and joins others. */
export function valuesOf(rawHeaders: readonly string[], name: string): string[] {
  const values: string[] = [];
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    if (rawHeaders[index]?.toLowerCase() === name) values.push(rawHeaders[index + 1] ?? '');
  }
  return values;
}
