import { chmodSync, rmSync, writeFileSync } from 'node:fs';
import type { Server as HttpServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  createEngine,
  keepReserve,
  layoutAt,
  makeRunFolder,
  onBackgroundFailure,
  prepareLayout,
  withReserve,
  type PoolOptions,
} from '@novasandbox/engine';
import { hasMachine, NovaError } from '@novasandbox/protocol';
import type { Logger } from 'pino';
import type { ServerConfig } from './config/schema.ts';
import { createDaemonContext } from './compose.ts';
import { createLog } from './log.ts';
import { createServer, type Server } from './server.ts';
import { openServerStore } from './store/server-store.ts';
import { openTracing } from './trace/tracing.ts';
import { startWebhook } from './observe/webhook.ts';
import { startRounds } from './rounds.ts';
import { removeLeftExports } from './vms/export.ts';

export interface Daemon extends AsyncDisposable {
  /** The URL that the daemon listens on, such as http://127.0.0.1:8000. */
  readonly url: string;
  readonly keyFile: string;
  readonly log: Logger;
  /**
   * Reads the TLS certificate from its files again. An invalid certificate is logged, and the previous one stays in
   * use.
   */
  renewCertificate(): void;
  /** Shuts down gracefully: refuses new connections, drains requests, leaves or stops VMs as configured. Idempotent. */
  close(): Promise<void>;
}

export interface ServeOptions {
  /** State folder; default: NOVA_HOME, or that of the user. */
  readonly home?: string | undefined;
  readonly log?: Logger;
}

/** Starts the daemon: claims the state folder, recovers it after a crash, and listens. */
/** `all` is that of a sandbox without a policy, which needs no egress process. */
const defaultPolicyOf = ({ networking }: ServerConfig): string | undefined =>
  networking.default_policy === 'all' ? undefined : networking.default_policy;

export async function serve(config: ServerConfig, options: ServeOptions = {}): Promise<Daemon> {
  const layout = layoutAt(options.home);
  prepareLayout(layout);
  const log = options.log ?? createLog(config);
  await using undo = new AsyncDisposableStack();
  undo.use(onBackgroundFailure(({ what, error }) => log.error({ err: error, what }, 'work in the background failed')));
  keepReserve(layout.reserveFile);
  const store = undo.use(openServerStore(layout.daemon.database, layout.reserveFile));
  const engine = undo.use(
    await createEngine({
      home: layout.home,
      recover: true,
      readySlots: config.networking.ready_slots,
      pool: poolOptionsOf(config),
      defaultPolicy: defaultPolicyOf(config),
    }),
  );
  const tracing = undo.use(await openTracing(config, process.env));
  const context = createDaemonContext({ config, layout, store, engine, log, tracing });
  const server = await createServer(context);
  undo.defer(() => server.app.close());
  // Sandboxes that ended while no daemon ran are noticed before the first request.
  await context.roster.refresh();
  const vmIds = new Set(context.roster.list().map(({ id }) => id));
  context.idle.prune(vmIds);
  undo.use(context.forwards);
  await context.forwards.restore(vmIds);
  context.previews.prune(vmIds);
  undo.use(startWebhook(context));
  undo.use(startRounds(context));
  removeLeftExports(context);

  const { main, local } = server.listeners;
  if (local !== null) {
    makeRunFolder(layout.run);
    rmSync(layout.daemon.socket, { force: true });
    // The umask protects the socket until its mode is set.
    const umask = process.umask(0o177);
    try {
      await listening(local, () => local.listen(layout.daemon.socket));
    } finally {
      process.umask(umask);
    }
    chmodSync(layout.daemon.socket, 0o600);
    undo.defer(() => rmSync(layout.daemon.socket, { force: true }));
  }
  await listening(main, () => main.listen(config.server.port, config.server.host));
  context.listening.port = (main.address() as AddressInfo).port;
  withReserve(layout.reserveFile, () => writeFileSync(layout.daemon.pidFile, `${process.pid}\n`, { mode: 0o600 }));
  undo.defer(() => rmSync(layout.daemon.pidFile, { force: true }));
  const url = urlOf(main, config);
  context.events.emit('server.started', null, { url });
  log.info({ operation: 'start', url, home: layout.home }, 'listening');

  const held = undo.move();
  let closing: Promise<void> | undefined;
  const close = (): Promise<void> =>
    (closing ??= (async () => {
      log.info({ operation: 'stop', vms: config.server.shutdown }, 'shutting down');
      context.events.emit('server.stopping', null);
      await context.drain.finish(config.server.drain_seconds * 1000);
      const left = context.drain.leave();
      server.sockets.closeAll();
      await left;
      stopListening(server);
      if (config.server.shutdown === 'stop') {
        const running = (await context.engine.sandboxes.list()).filter(({ state }) => hasMachine(state));
        // All are stopped concurrently, so that a VM that does not stop does not delay the others.
        await Promise.all(
          running.map(({ id }) =>
            context.engine.sandboxes
              .stop(id)
              .catch((error: unknown) => log.error({ vm: id, err: error }, 'VM not stopped')),
          ),
        );
      }
      await held.disposeAsync();
      log.info({ operation: 'stop' }, 'ended');
    })());
  const renewCertificate = (): void => {
    try {
      server.listeners.renewCertificate();
      log.info({ operation: 'renew_certificate' }, 'certificate read');
    } catch (error) {
      log.error({ operation: 'renew_certificate', err: error }, 'the certificate before stays');
    }
  };
  return { url, keyFile: layout.daemon.keyFile, log, renewCertificate, close, [Symbol.asyncDispose]: close };
}

/** Clones are kept for VMs that name nothing but their template. */
function poolOptionsOf({ pool, networking }: ServerConfig): PoolOptions {
  const { size, max, templates } = pool;
  return {
    size,
    max,
    ready: templates.map((templateId) => ({ templateId, enableNetwork: networking.allow_internet })),
  };
}

function listening(server: HttpServer, listen: () => void): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const what = error.code === 'EADDRINUSE' ? 'The address is in use already' : 'The daemon cannot listen';
      reject(
        new NovaError('set_up_failed', `${what}: ${error.message}`, {
          hint: 'Choose another address with --host and --port, or end the program that uses it.',
          cause: error,
        }),
      );
    });
    server.once('listening', () => resolve());
    listen();
  });
}

/** Closes all remaining connections. Their clients have been notified by now. */
function stopListening({ listeners: { main, local } }: Server): void {
  for (const server of [main, local]) {
    server?.close();
    server?.closeAllConnections();
  }
}

function urlOf(main: HttpServer, { server }: ServerConfig): string {
  const address = main.address();
  const port = typeof address === 'object' && address !== null ? address.port : server.port;
  const host = server.host.includes(':') ? `[${server.host}]` : server.host;
  return `${server.tls === undefined ? 'http' : 'https'}://${host}:${port}`;
}
