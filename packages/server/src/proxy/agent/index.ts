import type { IncomingMessage, ServerResponse } from 'node:http';
import { createConnectRouter, createContextValues } from '@connectrpc/connect';
import { universalRequestFromNodeRequest, universalResponseToNodeResponse } from '@connectrpc/connect-node';
import type { SandboxInfo } from '@novasandbox/protocol';
import { system } from '../../authority/callers.ts';
import type { CallerContext, ServerContext } from '../../context.ts';
import { mayUseAgent } from '../access.ts';
import { answer, failure, type Answer } from '../answer.ts';
import { filesystemService } from './filesystem/service.ts';
import { download } from './http/download.ts';
import { wholeWithin, withoutSilence } from './http/body-time.ts';
import { hasExpired, signatureOf, signedRequest, type Operation } from './http/signature.ts';
import { upload } from './http/upload.ts';
import { measure } from '../../e2b/usage.ts';
import { scopeKey } from './implement.ts';
import { judgedMessages, maxMessageBytes } from './messages.ts';
import { processService } from './process/service.ts';
import { sandboxEnvironment, userOf, type Scope } from './scope.ts';

/** The API that E2B's clients expect on port 49983 of a sandbox, served by the host. */
export interface AgentApi {
  /** Returns the answer that refuses the request, or null when it may use the agent API. */
  refuses(info: SandboxInfo, request: IncomingMessage): Answer | null;
  /** Serves a request for a running sandbox that was not refused. */
  request(context: CallerContext, info: SandboxInfo, request: IncomingMessage, response: ServerResponse): Promise<void>;
  /**
   * Returns the id of the sandbox whose token signed the URL of a request that names no sandbox; null when there is
   * none.
   */
  signedFor(request: IncomingMessage): Promise<string | null>;
}

export function createAgentApi(context: ServerContext): AgentApi {
  const bodyMs = context.config.server.body_timeout_seconds * 1000;
  const router = createConnectRouter({
    grpc: false,
    grpcWeb: false,
    readMaxBytes: maxMessageBytes,
    acceptCompression: [],
  });
  processService(router);
  filesystemService(router);
  const calls = new Map(router.handlers.map((handler) => [handler.requestPath, handler]));

  const call = (scope: Scope, path: string, request: IncomingMessage): Promise<void> => {
    const { response, info } = scope;
    const closed = Promise.withResolvers<void>();
    response.once('close', () => closed.resolve());
    const handler = calls.get(path);
    if (handler === undefined) {
      answer(response, failure(404, 'not found'));
      return closed.promise;
    }
    const values = createContextValues().set(scopeKey, scope);
    const universal = universalRequestFromNodeRequest(request, response, undefined, values);
    const held = context.bodies.hold(info.id);
    response.once('close', () => held[Symbol.dispose]());
    const type = request.headers['content-type'] ?? '';
    const body = judgedMessages(universal.body as AsyncIterable<Uint8Array>, type, held);
    handler({ ...universal, body })
      // The promise settles only on errors; success ends the response.
      .then((answered) => universalResponseToNodeResponse(answered, response))
      .catch((error: unknown) => {
        context.log.debug({ err: error, sandbox: info.id }, 'a call of the agent API was broken off');
        response.destroy();
      });
    return closed.promise;
  };

  return {
    refuses: (info, request) => refusal(context, info, request),
    async request(visit, info, request, response) {
      const { path, query } = split(request.url ?? '/');
      const scope: Scope = { context: visit, info, user: userOf(request.headers), response };
      const { method = 'GET' } = request;
      if (path === '/health' && method === 'GET') return void response.writeHead(204).end();
      if (path === '/files' && (method === 'GET' || method === 'POST')) {
        if (method === 'POST') withoutSilence(request, bodyMs);
        return files(scope, request, query);
      }
      if (/^\/(?:process\.Process|filesystem\.Filesystem)\//.test(path)) {
        // Only StreamInput sends its messages over time. All other calls send theirs at once.
        if (!path.endsWith('/StreamInput')) wholeWithin(request, bodyMs);
        return call(scope, path, request);
      }
      if (path === '/metrics' && method === 'GET') return json(scope, await metrics(scope));
      if (path === '/envs' && method === 'GET') return json(scope, await environment(scope));
      answer(response, failure(404, 'not found'));
    },
    async signedFor(request) {
      const signed = signedRequest(split(request.url ?? '/').query, operationOf(request));
      if (signed === null) return null;
      // The sandboxes of all owners are searched: only a holder of a sandbox's token can have made the signature.
      const running = await context.viewOf(system).engine.sandboxes.list();
      const made = running.find(({ id }) =>
        context.auth.matches(signed.signature, signatureOf(signed, context.auth.sandboxToken(id))),
      );
      return made?.id ?? null;
    },
  };
}

const operationOf = ({ method }: IncomingMessage): Operation => (method === 'GET' ? 'read' : 'write');

/** Refuses requests without the token, except for `/health`, and for `/files` with a signature made with the token. */
function refusal(context: ServerContext, info: SandboxInfo, request: IncomingMessage): Answer | null {
  const { path, query } = split(request.url ?? '/');
  if (path === '/health' || mayUseAgent(context, info, request)) return null;
  const signed = path === '/files' ? signedRequest(query, operationOf(request)) : null;
  if (signed === null) {
    const message = 'unauthorized access, please provide a valid access token or method signing if applicable';
    const rpcCode = { status: 401, body: { code: 'unauthenticated', message } };
    return /^\/(?:process|filesystem)\./.test(path) ? rpcCode : failure(401, message);
  }
  const expected = signatureOf(signed, context.auth.sandboxToken(info.id));
  if (!context.auth.matches(signed.signature, expected)) return failure(401, 'invalid signature');
  return hasExpired(signed, Date.now()) ? failure(401, 'signature is already expired') : null;
}

async function files(scope: Scope, request: IncomingMessage, query: URLSearchParams): Promise<void> {
  const named = query.get('username');
  const asUser = named === null || named === '' ? scope : { ...scope, user: named };
  const path = query.get('path');
  return request.method === 'GET' ? download(asUser, request, path ?? '') : upload(asUser, request, path);
}

async function metrics({ context, info }: Scope): Promise<unknown> {
  const usage = await measure(context, info.id);
  return {
    ts: Math.floor(usage.takenAtMs / 1000),
    cpu_count: usage.cpuCount,
    cpu_used_pct: usage.cpuUsedPct,
    mem_used: usage.memUsed,
    mem_total: usage.memTotal,
    mem_cache: usage.memCache,
    disk_used: usage.diskUsed,
    disk_total: usage.diskTotal,
  };
}

async function environment(scope: Scope): Promise<Record<string, string>> {
  const { env } = await scope.context.engine.sandboxes.config(scope.info.id);
  return { ...sandboxEnvironment(scope), ...env };
}

function json({ response }: Scope, value: unknown): void {
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(value));
}

function split(url: string): { readonly path: string; readonly query: URLSearchParams } {
  const mark = url.indexOf('?');
  return mark === -1
    ? { path: url, query: new URLSearchParams() }
    : { path: url.slice(0, mark), query: new URLSearchParams(url.slice(mark)) };
}
