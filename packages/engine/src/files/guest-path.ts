import { posix } from 'node:path';
import { NovaError } from '@novasandbox/protocol';
import type { EngineContext } from '../context.ts';
import type { CallOptions, GuestAgent } from '../ports/guest-agent.ts';
import type { SandboxRecord } from '../ports/store.ts';
import { loadTemplate } from '../images/load-template.ts';

/** A running sandbox and a path in it. */
export interface GuestPlace {
  readonly record: SandboxRecord;
  readonly agent: GuestAgent;
}

/** The longest path that Linux takes. */
const maxPath = 4096;
/** The guest writes this file, so the number of bytes read from it is limited. */
const maxPasswdBytes = 1024 * 1024;

/**
 * Makes a path absolute. A relative path, and `~`, begins at the home of the user (default: the sandbox's own user).
 */
export async function absolutePath(
  context: EngineContext,
  { record, agent }: GuestPlace,
  path: string,
  user: string | undefined,
  call: CallOptions,
): Promise<string> {
  if (path === '' || path.length > maxPath || path.includes('\0')) {
    throw new NovaError('invalid_argument', `path: must be 1 to ${maxPath} characters without NUL.`);
  }
  if (path.startsWith('/')) return path;
  const below = path === '~' || path.startsWith('~/') ? path.slice(1) : path;
  const home = await homeOf(agent, user ?? (await defaultUser(context, record)), call);
  return posix.join(home, below);
}

/** The user that commands run as and files belong to, unless a call names another. */
export async function defaultUser({ layout }: EngineContext, record: SandboxRecord): Promise<string> {
  if (record.config.user !== undefined) return record.config.user;
  // A guest that is a process of this host shares the host's users.
  if (record.bootKind === 'process') return String(process.getuid?.() ?? 0);
  return (await loadTemplate(layout, record.config.templateId, record.config.architecture)).template.user;
}

/**
 * Asks the guest where a user's home is. It is asked each time, because users come and go. The answer is used only as a
 * path in that guest.
 */
async function homeOf(agent: GuestAgent, user: string, call: CallOptions): Promise<string> {
  await using file = await agent.readFile('/etc/passwd', { length: maxPasswdBytes }, call);
  const chunks: Uint8Array[] = [];
  for await (const chunk of file.bytes) chunks.push(chunk);
  for (const line of Buffer.concat(chunks).toString().split('\n')) {
    const [name, , uid, , , home = ''] = line.split(':');
    if ((name === user || uid === user) && home.startsWith('/')) return home;
  }
  throw new NovaError('unknown_user', `The sandbox has no user ${user}.`);
}
