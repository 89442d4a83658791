import { Readable } from 'node:stream';
import type { ReadableStream } from 'node:stream/web';
import { createMcpHandler, type AuthInfo, type McpHttpHandler, type McpServer } from '@modelcontextprotocol/server';
import { createToolServer } from '@novasandbox/mcp';
import { NovaError } from '@novasandbox/protocol';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { DaemonContext } from '../daemon-context.ts';
import { apiPrefix } from '../http/addresses.ts';
import { goneSignal } from '../http/gone.ts';
import { principalOf } from '../http/hooks.ts';
import { openPreview } from '../previews/open-preview.ts';
import type { Principal } from '../context.ts';
import { version } from '../version.ts';

type McpContext = Pick<DaemonContext, 'viewOf' | 'auth' | 'config' | 'log' | 'listening' | 'previews'>;

/** A file that a tool writes comes as JSON, at most 2 MiB of it (packages/mcp). */
const bodyLimit = 4 << 20;
const previewMs = 3_600_000;

/**
 * Serves the Model Context Protocol over HTTP at `/mcp`. A request carries its key like any other, so a page in a
 * browser that has been led here by a name of its own (DNS rebinding) gets nothing; pages of other origins are refused
 * besides. No session is kept: each request names its sandbox, and each sandbox has a lifetime.
 */
export function addMcp(app: FastifyInstance, context: McpContext): void {
  const { config, log } = context;
  const origins = config.security.cors_origins;
  const handler = createMcpHandler(({ authInfo }) => serverFor(context, authInfo), {
    onerror: (error) => log.debug({ err: error }, 'a request of the Model Context Protocol failed'),
  });
  app.addHook('onClose', () => handler.close());
  const handle = async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    const { origin } = request.headers;
    if (origin !== undefined && !origins.includes(origin))
      throw new NovaError('forbidden', 'Pages of this origin may not use the tools.', {
        hint: 'Name the origin in security.cors_origins.',
      });
    return answer(handler, principalOf(request), request, reply);
  };
  for (const url of ['/mcp', `${apiPrefix}/mcp`]) {
    app.route({
      method: ['GET', 'POST', 'DELETE'],
      url,
      bodyLimit,
      config: { permission: 'authenticated', operation: 'mcp' },
      handler: handle,
    });
  }
}

function serverFor(context: McpContext, authInfo: AuthInfo | undefined): McpServer {
  const principal = authInfo?.extra?.['principal'] as Principal;
  const { auth, viewOf } = context;
  const { engine } = viewOf(principal);
  return createToolServer(
    {
      engine,
      async openPort(id, port) {
        auth.authorise(principal, 'guest:connect');
        const { url, preview } = openPreview(context, id, { port, expiresInMs: previewMs, rewriteHost: true });
        return { url, expiresAt: new Date(preview.expiresAtMs).toISOString() };
      },
    },
    { version },
  );
}

async function answer(
  handler: McpHttpHandler,
  principal: Principal,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const headers = new Headers();
  for (const [name, value] of Object.entries(request.headers))
    if (value !== undefined && !hidden.has(name)) headers.set(name, [value].flat().join(', '));
  const hasBody = request.method === 'POST';
  const asked = new Request(`http://localhost${request.url}`, {
    method: request.method,
    headers,
    signal: goneSignal(request, reply),
    // The body has been parsed; the handler takes it from there, and wants a request that has one.
    ...(hasBody ? { body: '{}' } : {}),
  });
  const authInfo: AuthInfo = { token: '', clientId: principal.name, scopes: [], extra: { principal } };
  const answered = await handler.fetch(asked, { authInfo, ...(hasBody ? { parsedBody: request.body } : {}) });
  for (const [name, value] of answered.headers) void reply.header(name, value);
  void reply.code(answered.status).header('cache-control', 'no-store');
  return reply.send(answered.body === null ? null : Readable.fromWeb(answered.body as ReadableStream));
}

/** Headers of the credentials, which the tools need not see, and those that describe the body that was read. */
const hidden = new Set(['authorization', 'x-api-key', 'cookie', 'content-length', 'transfer-encoding', 'connection']);
