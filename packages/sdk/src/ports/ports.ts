import { NovaError } from '@novasandbox/protocol';
import type { CreatedPortUrl, NewPortForward, NewPortUrl, PortForward, PortService, PortUrl } from '../remote/ports.ts';
import type { SandboxScope } from '../sandbox-scope.ts';

/**
 * Ports of one sandbox, as a daemon offers them. Without a daemon nobody would listen once the program has ended: every
 * call throws `feature_unsupported`.
 */
export class Ports {
  readonly #scope: SandboxScope;

  /** @internal */
  constructor(scope: SandboxScope) {
    this.#scope = scope;
  }

  /** The ports of the daemon's host that lead to this sandbox. */
  async list(): Promise<PortForward[]> {
    return this.#service.list(this.#scope.id);
  }

  /**
   * Forwards a port of the daemon's host to a port of this sandbox, until `remove`. A port that is taken throws
   * `port_in_use`, which names its holder.
   */
  async add(forward: NewPortForward): Promise<PortForward> {
    return this.#service.add(this.#scope.id, forward);
  }

  /** Ends a forward with its connections. */
  async remove(id: string): Promise<void> {
    await this.#service.remove(this.#scope.id, id);
  }

  /** Makes an address that opens one port to whoever has it, until it expires or is revoked. */
  async createUrl(url: NewPortUrl): Promise<CreatedPortUrl> {
    return this.#service.createUrl(this.#scope.id, url);
  }

  /** The addresses that have neither expired nor been revoked, without their tokens. */
  async listUrls(): Promise<PortUrl[]> {
    return this.#service.listUrls(this.#scope.id);
  }

  /** Revokes an address at once and ends its WebSockets. */
  async revokeUrl(id: string): Promise<void> {
    await this.#service.revokeUrl(this.#scope.id, id);
  }

  get #service(): PortService {
    const { engine } = this.#scope;
    if ('ports' in engine) return engine.ports as PortService;
    throw new NovaError('feature_unsupported', 'Ports are forwarded by a daemon, and no daemon is in use here.', {
      hint: 'Start one with `nova serve`, or forward a port as long as a client runs: `nova ssh -N -L 8080:localhost:3000 NAME`.',
    });
  }
}
