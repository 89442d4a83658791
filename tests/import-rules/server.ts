import { partOf, type Rule } from './rule.ts';

const server = 'packages/server/src';
const part = partOf(server);

/**
 * In the daemon too a request goes one way: HTTP -> route -> its action -> the caller's view -> the observed engine.
 */
export const serverRules: readonly Rule[] = [
  {
    from: server,
    may: ['@novasandbox/protocol', '@novasandbox/engine', 'pino', 'fastify'],
    because: 'the daemon offers the engine, and knows no client of its own',
  },
  part(
    'volumes',
    { parts: ['authority', 'context.ts'] },
    'who opens a volume does so as its owner, whichever way in is taken',
  ),
  part(
    'context.ts',
    { packages: ['pino'], parts: ['config/schema.ts', 'trace/tracing.ts'] },
    'what all ways in share names no implementation',
  ),
  part(
    'daemon-context.ts',
    { parts: ['context.ts', 'auth', 'forwards', 'idempotency', 'metrics', 'observe', 'previews', 'store'] },
    'the list of the parts of the daemon knows no way in',
  ),
  part('drain.ts', { parts: ['context.ts', 'vms/restarting.ts'] }, 'the end of the daemon knows no client'),
  part('log.ts', { packages: ['pino'], parts: ['config/schema.ts'] }, 'the log knows nothing of what it tells'),
  part('version.ts', {}, 'a version depends on nothing'),
  part('agent-port.ts', {}, 'a number depends on nothing'),
  part(
    'trace',
    { packages: ['@opentelemetry'], parts: ['config/schema.ts', 'version.ts'] },
    'nothing else knows who measures',
  ),
  part('config', { packages: ['zod', 'yaml'] }, 'a configuration can be checked without a daemon'),
  part('store', { packages: ['zod'] }, 'the store keeps rows and decides nothing'),
  part('backup', { parts: ['store'] }, 'a backup is made and put back while no daemon runs'),
  part(
    'auth',
    { packages: ['jose'], parts: ['context.ts', 'authority', 'store'] },
    'who may come in depends on no route',
  ),
  part(
    'authority',
    { parts: ['context.ts', 'observe'] },
    'who may act on what is said in one place, whichever way in is taken',
  ),
  part('idempotency', { parts: ['auth/secrets.ts', 'store'] }, 'an answer is kept whatever it says'),
  part('bodies', { parts: ['context.ts'] }, 'what a message may be holds for every way in'),
  part(
    'observe',
    { packages: ['pino'], parts: ['context.ts', 'config/schema.ts', 'store'] },
    'what is observed is observed whichever way it came in',
  ),
  part(
    'metrics',
    { packages: ['prom-client'], parts: ['observe'] },
    'what is counted as it happens is counted below every way in',
  ),
  part(
    'system',
    { packages: ['prom-client'], parts: ['context.ts', 'daemon-context.ts', 'metrics', 'version.ts'] },
    'facts of host and daemon are found out without a request',
  ),
  part(
    'forwards',
    { packages: ['pino'], parts: ['store', 'observe/roster.ts'] },
    'a forwarded port is one more way into the engine, and knows no HTTP',
  ),
  part(
    'previews',
    { parts: ['auth/secrets.ts', 'config/schema.ts', 'context.ts', 'agent-port.ts', 'store'] },
    'who may see a port is kept apart from how it is shown',
  ),
  part(
    'vms',
    { packages: ['zod'], parts: ['authority', 'context.ts', 'daemon-context.ts'] },
    'what a route does knows no HTTP',
  ),
  part(
    'sockets',
    { packages: ['ws', 'zod', 'fastify'], parts: ['bodies', 'context.ts', 'vms'] },
    'a WebSocket is one more way to speak to the engine',
  ),
  part(
    'streams',
    { packages: ['@fastify/busboy'], parts: ['bodies', 'context.ts', 'vms'] },
    'what is streamed knows no route',
  ),
  part(
    'http',
    {
      packages: ['fastify', '@fastify/cors'],
      parts: ['auth', 'bodies', 'config/schema.ts', 'context.ts', 'daemon-context.ts', 'trace'],
    },
    'what happens around every request knows no request',
  ),
  part(
    'routes',
    {
      packages: ['fastify', 'zod'],
      parts: [
        ...['auth', 'authority', 'bodies', 'context.ts', 'daemon-context.ts', 'forwards', 'http', 'idempotency'],
        ...['previews', 'sockets', 'store/rows.ts', 'streams', 'system', 'vms'],
      ],
    },
    'a route takes a request to what does it, and is used by nothing but the server',
  ),
  part(
    'mcp',
    {
      packages: ['@modelcontextprotocol', '@novasandbox/mcp', 'fastify'],
      parts: ['context.ts', 'daemon-context.ts', 'http', 'previews', 'version.ts'],
    },
    'the tools act on the view of their caller, as routes do',
  ),
  part(
    'openapi',
    { packages: ['fastify', 'zod'], parts: ['http', 'routes/call.ts', 'version.ts'] },
    'the description is made of the table of routes, not of what they do',
  ),
  part(
    'e2b',
    {
      packages: ['fastify', 'zod'],
      parts: ['authority', 'bodies', 'context.ts', 'http', 'idempotency', 'metrics', 'vms', 'volumes'],
    },
    "E2B's control plane stands beside the routes, on what they stand on",
  ),
  part(
    'proxy',
    {
      packages: ['@connectrpc', '@bufbuild', '@fastify/busboy'],
      parts: [
        'agent-port.ts',
        'auth',
        'authority',
        'bodies',
        'context.ts',
        'e2b',
        'http',
        'previews',
        'streams',
        'vms',
      ],
    },
    'the data plane answers before any route, and knows none',
  ),
];
