import type { IncomingHttpHeaders, ServerResponse } from 'node:http';
import { posix } from 'node:path';
import { NovaError, type SandboxInfo } from '@novasandbox/protocol';
import type { ServerContext } from '../../context.ts';

/** One request of the agent API: which sandbox, as which user, and the connection it came on. */
export interface Scope {
  readonly context: ServerContext;
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

const maxPath = 4096;

/** A path as clients may write it: relative ones and `~` begin at the user's home. */
export async function absolutePath(scope: Scope, path: string): Promise<string> {
  if (path.includes('\0') || path.length > maxPath) throw new NovaError('invalid_argument', 'invalid path');
  if (path.startsWith('/')) return posix.resolve(path);
  const below = path === '~' || path === '' ? '.' : path.startsWith('~/') ? path.slice(2) : path;
  return posix.resolve(await homeOf(scope), below);
}

const maxPasswdBytes = 1 << 20;

/** The guest's own word on where its users live; what it says is used as a path in that guest and nowhere else. */
async function homeOf(scope: Scope): Promise<string> {
  const user = scope.user ?? (await defaultUser(scope));
  await using file = await scope.context.engine.files.read(scope.info.id, '/etc/passwd', { length: maxPasswdBytes });
  const chunks: Uint8Array[] = [];
  for await (const chunk of file.bytes) chunks.push(chunk);
  for (const line of Buffer.concat(chunks).toString('utf8').split('\n')) {
    const [name, , uid, , , home = ''] = line.split(':');
    if ((name === user || uid === user) && home.startsWith('/')) return posix.resolve(home);
  }
  throw new NovaError('unknown_user', `invalid username: '${user}'`);
}

async function defaultUser({ context: { engine }, info }: Scope): Promise<string> {
  const { user } = await engine.sandboxes.config(info.id);
  return user ?? (await engine.templates.inspect(info.templateId)).user;
}

/** What every command finds in its environment beside what it was started with. */
export function sandboxEnvironment({ info }: Pick<Scope, 'info'>): Record<string, string> {
  return { E2B_SANDBOX: 'true', E2B_SANDBOX_ID: info.id, E2B_TEMPLATE_ID: info.templateId };
}
