import { posix } from 'node:path';
import { NovaError } from '@novasandbox/protocol';
import type { SandboxScope } from '../sandbox-scope.ts';
import { collect } from './file-content.ts';

/** The guest writes this file: what is read of it is bounded. */
const maxPasswdBytes = 1024 * 1024;

/** What the agent leaves to its callers: whose files they are, and what a path that is not absolute is relative to. */
export class GuestPaths {
  readonly #scope: SandboxScope;
  readonly #templateId: string;
  readonly #configuredUser: string | undefined;
  readonly #homes = new Map<string, Promise<string>>();
  #templateUser: Promise<string> | undefined;

  constructor(scope: SandboxScope, templateId: string, configuredUser: string | undefined) {
    this.#scope = scope;
    this.#templateId = templateId;
    this.#configuredUser = configuredUser;
  }

  /** An absolute path of the guest. Others, and `~`, begin at the home of the user. */
  async resolve(path: string, user?: string): Promise<string> {
    if (path.startsWith('/')) return path;
    if (path === '') throw new NovaError('invalid_argument', 'The path is empty.');
    const below = path === '~' || path.startsWith('~/') ? path.slice(1) : path;
    const name = user ?? (await this.defaultUser());
    let home = this.#homes.get(name);
    if (home === undefined) {
      home = this.#homeOf(name);
      this.#homes.set(name, home);
      home.catch(() => this.#homes.delete(name));
    }
    return posix.join(await home, below);
  }

  /** Who commands run as, and files belong to, unless a call says otherwise. */
  async defaultUser(): Promise<string> {
    if (this.#configuredUser !== undefined) return this.#configuredUser;
    this.#templateUser ??= this.#scope.engine.templates.inspect(this.#templateId).then(
      ({ user }) => user,
      (error: unknown) => {
        this.#templateUser = undefined;
        throw error;
      },
    );
    return this.#templateUser;
  }

  async #homeOf(user: string): Promise<string> {
    await using passwd = await this.#scope.engine.files.read(this.#scope.id, '/etc/passwd', { length: maxPasswdBytes });
    const text = new TextDecoder().decode(await collect(passwd.bytes, maxPasswdBytes, '/etc/passwd'));
    for (const line of text.split('\n')) {
      const [name, , uid, , , home = ''] = line.split(':');
      if ((name === user || uid === user) && home.startsWith('/')) return home;
    }
    throw new NovaError('unknown_user', `The sandbox has no user ${user}.`);
  }
}
