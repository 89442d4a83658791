import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { isNovaError, within, type SandboxInfo } from '@novasandbox/protocol';
import { system } from '../authority/callers.ts';
import type { ServerContext } from '../context.ts';
import { isLoginToken } from '../auth/users.ts';
import { vouchFor } from '../http/connection-limit.ts';
import { traitsOf } from '../e2b/labels.ts';

const one = (value: string | string[] | undefined): string | undefined => (Array.isArray(value) ? value[0] : value);

/** A sandbox that runs, or would be resumed by a request, by its whole id, whosever it is; null when there is none. */
export async function reachableSandbox(context: ServerContext, id: string): Promise<SandboxInfo | null> {
  try {
    const info = await context.viewOf(system).engine.sandboxes.get(id);
    // Names and prefixes are for people: a host name always says the whole id.
    if (info.id !== id) return null;
    return info.state === 'running' || (info.state === 'paused' && traitsOf(info.labels).autoResume) ? info : null;
  } catch (error) {
    if (isNovaError(error, 'sandbox_not_found')) return null;
    throw error;
  }
}

/**
 * May the request speak with a port: one that the sandbox's maker opened to all, by the traffic token, or with a key of
 * somebody whose sandbox it is and who may connect.
 */
export async function mayUsePort(
  context: ServerContext,
  info: SandboxInfo,
  request: IncomingMessage,
): Promise<boolean> {
  const { auth } = context;
  if (traitsOf(info.labels).publicTraffic) return true;
  const may =
    auth.matches(one(request.headers['e2b-traffic-access-token']), auth.trafficToken(info.id)) ||
    (await mayConnect(context, info, request.headers));
  if (may) vouchFor(request.socket);
  return may;
}

/** May the request use the agent API: the sandbox's own token, or a sandbox made without. */
export function mayUseAgent({ auth }: ServerContext, info: SandboxInfo, request: IncomingMessage): boolean {
  if (!traitsOf(info.labels).secure) return true;
  const may = auth.matches(one(request.headers['x-access-token']), auth.sandboxToken(info.id));
  if (may) vouchFor(request.socket);
  return may;
}

async function mayConnect({ auth }: ServerContext, info: SandboxInfo, headers: IncomingHttpHeaders): Promise<boolean> {
  // The other header may be for the application in the guest.
  const ours = [one(headers['x-api-key']), bearer(headers.authorization)].find(looksLikeOurs);
  if (ours === undefined) return false;
  try {
    const principal = await auth.authenticate({ 'x-api-key': ours });
    auth.authorise(principal, 'guest:connect');
    return within(principal.scope, info);
  } catch (error) {
    if (isNovaError(error)) return false;
    throw error;
  }
}

/**
 * Credentials of this server in a request for a guest, which no guest may see: told by their form, so that expired and revoked ones stay here
 * too. All others are the guest's own, an `Authorization` of its application as well.
 */
export function isOurCredential({ auth }: ServerContext, sandboxId: string): (name: string, value: string) => boolean {
  return (name, value) => {
    if (name === 'x-access-token') return auth.matches(value, auth.sandboxToken(sandboxId));
    return looksLikeOurs(name === 'x-api-key' ? value : bearer(value));
  };
}

const bearer = (value: string | undefined): string | undefined => /^Bearer +(\S+)\s*$/i.exec(value ?? '')?.[1];

/** A key, or a token of a login. */
function looksLikeOurs(value: string | undefined): boolean {
  return value !== undefined && (/^(?:nova|e2b)_/.test(value) || isLoginToken(value));
}
