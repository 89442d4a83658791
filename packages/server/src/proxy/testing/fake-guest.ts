import { once } from 'node:events';
import { createServer } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { duplexPair, type Duplex } from 'node:stream';
import { NovaError, type SandboxInfo } from '@novasandbox/protocol';
import { pino } from 'pino';
import { serverConfigSchema } from '../../config/schema.ts';
import { createPreviews } from '../../previews/previews.ts';
import type { ServerContext, Services } from '../../context.ts';
import { createByteBudget } from '../../bodies/byte-budget.ts';
import { createDrain } from '../../drain.ts';
import { createConnectionLimit } from '../../http/connection-limit.ts';
import { createRequestIds } from '../../http/request-id.ts';
import { maxHeaderBytes, maxHeaders } from '../../http/listeners.ts';
import { untraced } from '../../trace/tracing.ts';
import { defaultTraits, labelsOf } from '../../e2b/labels.ts';
import { dataPlane } from '../index.ts';
import type { ProxyLimits } from '../limits.ts';

export const sandboxId = 'abcd1234';
export const host = `3000-${sandboxId}.localhost`;

export interface ProxyUnderTest extends AsyncDisposable {
  readonly port: number;
  /** Handles the next connections to the guest. */
  guest: (connection: Duplex) => void;
  /** Number of connections that the guest has had. */
  readonly opened: number;
  /**
   * Sends bytes as they are, `from` an address of this host, and returns all that comes back until the connection ends.
   */
  exchange(bytes: string, options?: { readonly withinMs?: number; readonly from?: string }): Promise<string>;
}

/** Runs the data plane in front of a guest that is a function, which gets its connections as from a tunnel. */
export async function proxyUnderTest(limits: Partial<ProxyLimits> = {}): Promise<ProxyUnderTest> {
  const state: { guest: (connection: Duplex) => void; opened: number } = {
    guest: (connection) => void connection.destroy(),
    opened: 0,
  };
  const reached = (connection: Duplex): void => {
    state.opened += 1;
    state.guest(connection);
  };
  const plane = dataPlane(contextWith(reached), limits);
  const server = createServer({ maxHeaderSize: maxHeaderBytes }, (request, response) => {
    if (plane.handles(request)) plane.request(request, response);
    else response.writeHead(404).end('not for a sandbox');
  });
  server.maxHeadersCount = maxHeaders;
  server.on('upgrade', (request, socket, head) => plane.upgrade(request, socket, head));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    port,
    get guest() {
      return state.guest;
    },
    set guest(guest) {
      state.guest = guest;
    },
    get opened() {
      return state.opened;
    },
    exchange: (bytes, { withinMs = 4000, from = '127.0.0.1' } = {}) => exchanged(port, bytes, withinMs, from),
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

async function exchanged(port: number, bytes: string, withinMs: number, localAddress: string): Promise<string> {
  const socket: Socket = connect({ port, host: '127.0.0.1', localAddress });
  let text = '';
  socket.on('data', (chunk) => (text += chunk.toString('latin1')));
  socket.on('error', () => undefined);
  socket.write(bytes, 'latin1');
  const timer = setTimeout(() => socket.destroy(), withinMs);
  await once(socket, 'close');
  clearTimeout(timer);
  return text;
}

function contextWith(guest: (connection: Duplex) => void): ServerContext {
  const now = new Date().toISOString();
  const info: SandboxInfo = {
    id: sandboxId,
    name: null,
    owner: null,
    team: null,
    state: 'running',
    templateId: 'base',
    hypervisor: 'qemu',
    architecture: 'amd64',
    memoryMb: 512,
    vcpus: 1,
    diskSizeMb: 4096,
    enableNetwork: true,
    hostPort: null,
    guestPort: 8080,
    labels: labelsOf({ ...defaultTraits, publicTraffic: true }),
    createdAt: now,
    startedAt: now,
    stoppedAt: null,
    expiresAt: null,
    ephemeral: true,
    onTimeout: 'stop',
    autoResume: false,
    metadata: { bootTimeMs: 1, bootKind: 'snapshot', accelerator: 'tcg' },
    reason: null,
    fullDisks: [],
    forkedFrom: null,
    snapshotId: null,
    restoredAt: null,
    volumes: [],
    networks: [],
  };
  const engine = {
    sandboxes: {
      get: async (ref: string) => {
        if (ref !== sandboxId) throw new NovaError('sandbox_not_found', 'none');
        return info;
      },
      exited: () => Promise.withResolvers<never>().promise,
    },
    files: {
      tunnel: async (_ref: string, port: number) => {
        if (port !== 3000) throw new NovaError('connection_refused', 'nobody listens');
        const [ours, theirs] = duplexPair();
        theirs.on('error', () => undefined);
        // As with a tunnel, the end of one side ends the other.
        ours.on('close', () => theirs.destroy());
        theirs.on('close', () => setImmediate(() => ours.destroy()));
        guest(theirs);
        return ours;
      },
    },
  };
  return {
    // Only the members that the proxy uses.
    viewOf: () => ({
      engine: engine as unknown as Services,
      vms: () => [info],
      events: () => (async function* () {})(),
    }),
    config: serverConfigSchema.parse({}),
    previews: createPreviews({ previews: () => [], putPreview: () => undefined, removePreview: () => undefined }),
    auth: {
      authenticate: () => Promise.reject(new NovaError('unauthenticated', 'no')),
      authorise: () => undefined,
      sandboxToken: (id) => `agent-${id}`,
      trafficToken: (id) => `traffic-${id}`,
      volumeToken: (id) => `volume-${id}`,
      matches: (given, expected) => given === expected,
    },
    bodies: createByteBudget(64 * 1024 * 1024),
    activity: { busy: () => ({ [Symbol.dispose]: () => undefined }) },
    log: pino({ level: 'silent' }),
    tracing: untraced,
    drain: createDrain(),
    connections: createConnectionLimit(0),
    requestIdOf: createRequestIds(),
    volumes: {
      open: () => Promise.reject(new NovaError('volume_not_found', 'none')),
      letGo: () => Promise.resolve(),
      close: () => Promise.resolve(),
    },
  };
}
