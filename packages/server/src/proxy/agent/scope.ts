import type { IncomingHttpHeaders, ServerResponse } from 'node:http';
import type { SandboxInfo } from '@novasandbox/protocol';
import type { CallerContext } from '../../context.ts';

/** A request of the agent API: its sandbox, user and connection. */
export interface Scope {
  readonly context: CallerContext;
  readonly info: SandboxInfo;
  /** undefined stands for the sandbox's default user. */
  readonly user: string | undefined;
  readonly response: ServerResponse;
}

/** Reads the user of `Authorization: Basic base64("<user>:")`; other schemes are ignored. */
export function userOf(headers: IncomingHttpHeaders): string | undefined {
  const basic = /^Basic +([A-Za-z0-9+/=_-]+)$/i.exec(headers.authorization ?? '')?.[1];
  if (basic === undefined) return undefined;
  const user = Buffer.from(basic, 'base64').toString('utf8').split(':', 1)[0] ?? '';
  return user === '' ? undefined : user;
}

/** Clients use an empty path for the home of the user. */
export const pathOf = (path: string): string => (path === '' ? '~' : path);

/** Returns the variables that every command gets in addition to its own. */
export function sandboxEnvironment({ info }: Pick<Scope, 'info'>): Record<string, string> {
  return { E2B_SANDBOX: 'true', E2B_SANDBOX_ID: info.id, E2B_TEMPLATE_ID: info.templateId };
}
