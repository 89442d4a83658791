import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { isNovaError, within, type SandboxInfo } from '@novasandbox/protocol';
import { system } from '../authority/callers.ts';
import type { ServerContext } from '../context.ts';
import { isLoginToken } from '../auth/users.ts';
import { isPaused } from '../e2b/life.ts';
import { traitsOf } from '../e2b/labels.ts';

const one = (value: string | string[] | undefined): string | undefined => (Array.isArray(value) ? value[0] : value);

/** Finds a sandbox of any owner by its whole id, if it runs or a request may resume it; null otherwise. */
export async function reachableSandbox(context: ServerContext, id: string): Promise<SandboxInfo | null> {
  try {
    const info = await context.viewOf(system).engine.sandboxes.get(id);
    // Host names contain the whole id; names and prefixes are not accepted.
    if (info.id !== id) return null;
    return info.state === 'running' || (isPaused(info) && info.autoResume) ? info : null;
  } catch (error) {
    if (isNovaError(error, 'sandbox_not_found')) return null;
    throw error;
  }
}

/**
 * Tells whether the request may use a port: the sandbox is open to everybody, or the request has the traffic token or a
 * key of a caller who may connect to the sandbox.
 */
export async function mayUsePort(
  context: ServerContext,
  info: SandboxInfo,
  request: IncomingMessage,
): Promise<boolean> {
  const { auth, connections } = context;
  if (traitsOf(info.labels).publicTraffic) return true;
  const may =
    auth.matches(one(request.headers['e2b-traffic-access-token']), auth.trafficToken(info.id)) ||
    (await mayConnect(context, info, request.headers));
  if (may) connections.vouchFor(request.socket);
  return may;
}

/**
 * Tells whether the request may use the agent API: it has the sandbox's token, or the sandbox was created without one.
 */
export function mayUseAgent(
  { auth, connections }: ServerContext,
  info: SandboxInfo,
  request: IncomingMessage,
): boolean {
  if (!traitsOf(info.labels).secure) return true;
  const may = auth.matches(one(request.headers['x-access-token']), auth.sandboxToken(info.id));
  if (may) connections.vouchFor(request.socket);
  return may;
}

async function mayConnect({ auth }: ServerContext, info: SandboxInfo, headers: IncomingHttpHeaders): Promise<boolean> {
  // Only one of the headers may carry our key: the other may be for the application in the guest.
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
 * Tells whether a header of a request for a guest carries a credential of this server, which no guest may see. API keys
 * and login tokens are recognised by their form, so that expired and revoked ones are not passed on either. All other
 * credentials belong to the guest, including an `Authorization` of its application.
 */
export function isOurCredential({ auth }: ServerContext, sandboxId: string): (name: string, value: string) => boolean {
  return (name, value) => {
    if (name === 'x-access-token') return auth.matches(value, auth.sandboxToken(sandboxId));
    return looksLikeOurs(name === 'x-api-key' ? value : bearer(value));
  };
}

const bearer = (value: string | undefined): string | undefined => /^Bearer +(\S+)\s*$/i.exec(value ?? '')?.[1];

/** Tells whether a value has the form of an API key or a login token. */
function looksLikeOurs(value: string | undefined): boolean {
  return value !== undefined && (/^(?:nova|e2b)_/.test(value) || isLoginToken(value));
}
