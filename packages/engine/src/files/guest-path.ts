import { posix } from 'node:path';
import { NovaError } from '@novasandbox/protocol';
import type { EngineContext } from '../context.ts';
import type { CallOptions, GuestAgent } from '../ports/guest-agent.ts';
import type { SandboxRecord } from '../ports/store.ts';
import { loadTemplate } from '../template/load.ts';

/** A running sandbox whose paths are meant. */
export interface GuestPlace {
  readonly record: SandboxRecord;
  readonly agent: GuestAgent;
}

/** Linux takes no longer ones. */
const maxPath = 4096;
/** The guest writes this file: what is read of it is bounded. */
const maxPasswdBytes = 1024 * 1024;

/** An absolute path as it is; any other, and `~`, begins at the home of the user (default: the sandbox's own). */
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

/** Who commands run as, and files belong to, unless a call says otherwise. */
export async function defaultUser({ layout }: EngineContext, record: SandboxRecord): Promise<string> {
  if (record.config.user !== undefined) return record.config.user;
  // A guest that is a process of this host has this host's users.
  if (record.bootKind === 'process') return String(process.getuid?.() ?? 0);
  return (await loadTemplate(layout, record.config.templateId)).template.user;
}

/** The guest's own word on where its users live; it is used as a path in that guest and nowhere else. Asked each time: users come and go. */
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
