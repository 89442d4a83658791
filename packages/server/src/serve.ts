import { chmodSync, rmSync, writeFileSync } from 'node:fs';
import type { Server as HttpServer } from 'node:http';
import {
  createEngine,
  keepReserve,
  layoutAt,
  onBackgroundFailure,
  prepareLayout,
  withReserve,
} from '@novasandbox/engine';
import { NovaError } from '@novasandbox/protocol';
import type { Logger } from 'pino';
import type { ServerConfig } from './config/schema.ts';
import { createDaemonContext } from './compose.ts';
import { createLog } from './log.ts';
import { createServer, type Server } from './server.ts';
import { closeAllSockets } from './sockets/accept.ts';
import { openServerStore } from './store/server-store.ts';
import { openTracing } from './trace/tracing.ts';
import { startRounds } from './rounds.ts';

export interface Daemon extends AsyncDisposable {
  /** Where it listens, such as http://127.0.0.1:8000. */
  readonly url: string;
  readonly keyFile: string;
  readonly log: Logger;
  /** Reads the TLS certificate from its files again; a bad one is logged, and the one before stays. */
  renewCertificate(): void;
  /** Ends it gracefully: no new connections, requests drained, VMs left or stopped as configured. Idempotent. */
  close(): Promise<void>;
}

export interface ServeOptions {
  /** State folder; default as everywhere. */
  readonly home?: string | undefined;
  readonly log?: Logger;
}

/** Starts the daemon: takes the state folder for itself, brings it in order, listens. */
export async function serve(config: ServerConfig, options: ServeOptions = {}): Promise<Daemon> {
  const layout = layoutAt(options.home);
  prepareLayout(layout);
  const log = options.log ?? createLog(config);
  await using undo = new AsyncDisposableStack();
  undo.use(onBackgroundFailure(({ what, error }) => log.error({ err: error, what }, 'work in the background failed')));
  keepReserve(layout.reserveFile);
  const store = undo.use(openServerStore(layout.daemon.database, layout.reserveFile));
  const engine = undo.use(
    await createEngine({ home: layout.home, recover: true, readySlots: config.networking.ready_slots }),
  );
  const tracing = undo.use(await openTracing(config, process.env));
  const context = createDaemonContext({ config, layout, store, engine, log, tracing });
  const server = await createServer(context);
  undo.defer(() => server.app.close());
  // What ended while no daemon ran is seen before the first request.
  await context.roster.refresh();
  const vmIds = new Set(context.roster.list().map(({ id }) => id));
  context.idle.prune(vmIds);
  undo.use(context.forwards);
  await context.forwards.restore(vmIds);
  undo.use(startRounds(context));

  const { main, local } = server.listeners;
  if (local !== null) {
    rmSync(layout.daemon.socket, { force: true });
    // Nobody may open it in the moment before its mode is set.
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
      closeAllSockets();
      await left;
      stopListening(server);
      if (config.server.shutdown === 'stop') {
        const running = await context.engine.sandboxes.list();
        // At once: one that does not end in peace takes its time on its own.
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

function listening(server: HttpServer, listen: () => void): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const what = error.code === 'EADDRINUSE' ? 'The address is in use already' : 'It is not possible to listen';
      reject(
        new NovaError('set_up_failed', `${what}: ${error.message}`, {
          hint: 'Choose another with --host and --port, or end what uses it.',
          cause: error,
        }),
      );
    });
    server.once('listening', () => resolve());
    listen();
  });
}

/** Everyone has been told: what is left is cut off. */
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
