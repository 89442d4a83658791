import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { createEngine, layoutAt, prepareLayout } from '@novasandbox/engine';
import { permissionSchema, routes, type Route } from '@novasandbox/protocol/api';
import { pino } from 'pino';
import { createDaemonContext } from './compose.ts';
import { serverConfigSchema } from './config/schema.ts';
import { fastifyPath } from './routes/bind.ts';
import { createServer } from './server.ts';
import { untraced } from './trace/tracing.ts';
import { openServerStore } from './store/server-store.ts';
import { version } from './version.ts';

/** Addresses that answer without credentials. */
const open = new Set([
  ...['/', '/health', '/ready', '/openapi.json', '/docs', '/docs/swagger-ui.css', '/docs/swagger-ui-bundle.js'],
  ...['/redoc', '/redoc/redoc.standalone.js', '/api/v1/security/auth/login'],
]);

/** Addresses whose requests may carry a token of what they are about, and which look at the credentials themselves. */
const own = /^\/volumecontent\/:volume\//;

test('every route that answers has a permission, or stands on the list of public ones', async () => {
  const home = await mkdtemp(join(tmpdir(), 'nova-server-'));
  await using undo = new AsyncDisposableStack();
  undo.defer(() => rm(home, { recursive: true, force: true }));
  const layout = layoutAt(home);
  prepareLayout(layout);
  undo.defer(() => rm(layout.run, { recursive: true, force: true }));
  const store = undo.use(openServerStore(layout.daemon.database, layout.reserveFile));
  const engine = undo.use(await createEngine({ home }));
  const config = serverConfigSchema.parse({});
  const context = createDaemonContext({
    config,
    layout,
    store,
    engine,
    log: pino({ level: 'silent' }),
    tracing: untraced,
  });
  const { app, registered } = await createServer(context);
  undo.defer(() => app.close());

  assert.ok(registered.length > Object.keys(routes).length);
  const known = new Set<string>([...permissionSchema.options, 'authenticated']);
  for (const { method, url, permission } of registered) {
    if (permission === 'public') assert.ok(open.has(url), `${method} ${url} is public`);
    else if (permission === 'own') assert.match(url, own, `${method} ${url} looks at credentials itself`);
    else assert.ok(known.has(permission), `${method} ${url}: ${permission}`);
  }
  for (const route of Object.values<Route>(routes)) {
    const found = registered.find(({ method, url }) => method === route.method && url === fastifyPath(route.path));
    assert.equal(found?.permission, route.permission, `${route.method} ${route.path}`);
  }
  assert.throws(() => app.get('/more', async () => 'x'));
});

test('the version is the package’s', () => {
  const manifest = JSON.parse(readFileSync(join(import.meta.dirname, '../package.json'), 'utf8')) as {
    version: string;
  };
  assert.equal(version, manifest.version);
});
