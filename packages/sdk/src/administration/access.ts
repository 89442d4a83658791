import { accessOf } from '#administration';
import { withEngine, type ConnectionOptions } from '../connection.ts';
import type {
  AccessService,
  ApiKey,
  CreatedApiKey,
  Identity,
  NewApiKey,
  NewUser,
  RoleInfo,
  User,
} from '../remote/administration/access.ts';

/**
 * Access to a daemon: its keys and users. Without a daemon there are none, and every call throws `feature_unsupported`.
 *
 *     const { key } = await new Access({ apiUrl, apiKey }).createKey({ name: 'ci', role: 'user' });
 */
export class Access implements AccessService {
  readonly #options: ConnectionOptions;

  constructor(options: ConnectionOptions = {}) {
    this.#options = options;
  }

  /** All keys, revoked ones too. */
  listKeys(): Promise<ApiKey[]> {
    return this.#with((access) => access.listKeys());
  }

  /** Makes a key. The secret is returned only here. */
  createKey(key: NewApiKey): Promise<CreatedApiKey> {
    return this.#with((access) => access.createKey(key));
  }

  /** Revokes a key at once. WebSockets that it has opened are closed. */
  revokeKey(id: string): Promise<void> {
    return this.#with((access) => access.revokeKey(id));
  }

  listUsers(): Promise<User[]> {
    return this.#with((access) => access.listUsers());
  }

  createUser(user: NewUser): Promise<User> {
    return this.#with((access) => access.createUser(user));
  }

  /** Removes a user and revokes the user's keys. The sandboxes remain; the admin can reach them. */
  removeUser(username: string): Promise<void> {
    return this.#with((access) => access.removeUser(username));
  }

  /** The roles, whose sandboxes each acts on, and what it allows. */
  roles(): Promise<RoleInfo[]> {
    return this.#with((access) => access.roles());
  }

  /** The identity under which the daemon handles this caller. */
  whoAmI(): Promise<Identity> {
    return this.#with((access) => access.whoAmI());
  }

  #with<T>(work: (access: AccessService) => Promise<T>): Promise<T> {
    return withEngine(this.#options, (engine) => work(accessOf(engine)));
  }
}
