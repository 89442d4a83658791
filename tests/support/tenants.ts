import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createEngine, layoutAt, prepareLayout } from '@novasandbox/engine';
import { pino } from 'pino';
import { createDaemonContext } from '../../packages/server/src/compose.ts';
import { serverConfigSchema } from '../../packages/server/src/config/schema.ts';
import type { Registered } from '../../packages/server/src/http/hooks.ts';
import { createServer } from '../../packages/server/src/server.ts';
import { openServerStore } from '../../packages/server/src/store/server-store.ts';
import { untraced } from '../../packages/server/src/trace/tracing.ts';
import type { ServerUnderTest } from './server.ts';

/** Every route that a daemon answers, REST and E2B's, as it registers them. */
export async function registeredRoutes(): Promise<readonly Registered[]> {
  const home = await mkdtemp(join(tmpdir(), 'nova-routes-'));
  await using undo = new AsyncDisposableStack();
  undo.defer(() => rm(home, { recursive: true, force: true }));
  const layout = layoutAt(home);
  prepareLayout(layout);
  undo.defer(() => rm(layout.run, { recursive: true, force: true }));
  const store = undo.use(openServerStore(layout.daemon.database, layout.reserveFile));
  const engine = undo.use(await createEngine({ home }));
  const parts = { config: serverConfigSchema.parse({}), layout, store, engine };
  const { app, registered } = await createServer(
    createDaemonContext({ ...parts, log: pino({ level: 'silent' }), tracing: untraced }),
  );
  undo.defer(() => app.close());
  return registered;
}

export interface Tenant {
  readonly key: string;
  readonly e2bKey: string;
  readonly owner: string;
  /** Makes a VM and returns its id. */
  vm(config?: Readonly<Record<string, unknown>>): Promise<string>;
  /** Whether the tenant finds the VM. */
  sees(ref: string): Promise<boolean>;
  /** Ids of all VMs that are listed for the tenant. */
  list(query?: string): Promise<string[]>;
}

/** A tenant with a key of their own, made with these fields of the key. */
export async function tenant(server: ServerUnderTest, made: Readonly<Record<string, unknown>>): Promise<Tenant> {
  const { key, e2b_key: e2bKey } = await server.ok('POST', '/security/api-keys', { name: 'tenant', ...made });
  const { owner } = (await server.call('GET', '/security/auth/validate', { key })).body;
  return {
    key,
    e2bKey,
    owner,
    async vm(config = {}) {
      const { status, body } = await server.call('POST', '/vms', { key, body: { timeout_seconds: 0, ...config } });
      assert.equal(status, 201, JSON.stringify(body));
      return body.id;
    },
    sees: async (ref) => (await server.call('GET', `/vms/${ref}`, { key })).status === 200,
    async list(query = '') {
      const { body } = await server.call('GET', `/vms?status=all${query}`, { key });
      return body.vms.map(({ id }: { id: string }) => id);
    },
  };
}
