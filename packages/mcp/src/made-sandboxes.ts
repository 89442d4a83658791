import type { MadeSandbox, ToolHost } from './tool-host.ts';

/** A lifetime begins anew at most so often, so that few calls pay for it. */
const renewEveryMs = 30_000;

/** The sandboxes that a host has made. Their lifetimes begin anew with each use; disposing removes the sandboxes. */
export class MadeSandboxes implements AsyncDisposable {
  readonly #engine: ToolHost['engine'];
  readonly #made = new Map<string, MadeSandbox & { readonly renewedAt: number }>();

  constructor(engine: ToolHost['engine']) {
    this.#engine = engine;
  }

  add(sandbox: MadeSandbox): void {
    this.#made.set(sandbox.id, { ...sandbox, renewedAt: performance.now() });
  }

  /** Renews the lifetime of a sandbox beside the call that uses it; one that others have made keeps its own. */
  renew(ref: string): void {
    const found = this.#made.get(ref) ?? [...this.#made.values()].find(({ name }) => name === ref);
    if (found === undefined || performance.now() - found.renewedAt < renewEveryMs) return;
    this.add(found);
    // The call itself tells when the sandbox is gone.
    this.#engine.sandboxes.setTimeout(found.id, found.lifetimeMs).catch(() => undefined);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.allSettled([...this.#made.keys()].map((id) => this.#engine.sandboxes.remove(id, { force: true })));
  }
}
