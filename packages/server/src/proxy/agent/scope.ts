import type { IncomingHttpHeaders, ServerResponse } from 'node:http';
import type { SandboxInfo } from '@novasandbox/protocol';
import type { CallerContext } from '../../context.ts';

/** One request of the agent API: which sandbox, as which user, and the connection it came on. */
export interface Scope {
  readonly context: CallerContext;
  readonly info: SandboxInfo;
  /** undefined: the sandbox's default user. */
  readonly user: string | undefined;
  readonly response: ServerResponse;
}

/** The user of `Authorization: Basic base64("<user>:")`. Other schemes are none of the agent's. */
export function userOf(headers: IncomingHttpHeaders): string | undefined {
  const basic = /^Basic +([A-Za-z0-9+/=_-]+)$/i.exec(headers.authorization ?? '')?.[1];
  if (basic === undefined) return undefined;
  const user = Buffer.from(basic, 'base64').toString('utf8').split(':', 1)[0] ?? '';
  return user === '' ? undefined : user;
}

/** Clients name the home of the user with an empty path too. */
export const pathOf = (path: string): string => (path === '' ? '~' : path);

/** What every command finds in its environment beside what it was started with. */
export function sandboxEnvironment({ info }: Pick<Scope, 'info'>): Record<string, string> {
  return { E2B_SANDBOX: 'true', E2B_SANDBOX_ID: info.id, E2B_TEMPLATE_ID: info.templateId };
}
