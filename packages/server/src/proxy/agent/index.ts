import type { IncomingMessage, ServerResponse } from 'node:http';
import { createContextValues } from '@connectrpc/connect';
import { connectNodeAdapter } from '@connectrpc/connect-node';
import type { SandboxInfo } from '@novasandbox/protocol';
import type { ServerContext } from '../../context.ts';
import { mayUseAgent } from '../access.ts';
import { answer, failure } from '../answer.ts';
import { filesystemService } from './filesystem/service.ts';
import { download } from './http/download.ts';
import { hasExpired, signatureOf, signedRequest, type Operation } from './http/signature.ts';
import { upload } from './http/upload.ts';
import { measure } from '../../e2b/usage.ts';
import { scopeKey } from './implement.ts';
import { processService } from './process/service.ts';
import { sandboxEnvironment, userOf, type Scope } from './scope.ts';

/** What E2B's clients expect on port 49983 of a sandbox; served by the host over the engine. */
export interface AgentApi {
  request(info: SandboxInfo, request: IncomingMessage, response: ServerResponse): Promise<void>;
  /** The sandbox whose token a signed URL was made with, when it does not name one; null: none. */
  signedFor(request: IncomingMessage): Promise<string | null>;
}

/** Most of one message: input of a process, in base64. Files do not go this way. */
const maxMessageBytes = 16 * 1024 * 1024;

export function createAgentApi(context: ServerContext): AgentApi {
  const scopes = new WeakMap<object, Scope>();
  const rpc = connectNodeAdapter({
    grpc: false,
    grpcWeb: false,
    readMaxBytes: maxMessageBytes,
    acceptCompression: [],
    routes: (router) => {
      processService(router);
      filesystemService(router);
    },
    contextValues: (request) => createContextValues().set(scopeKey, scopes.get(request) ?? null),
  });

  return {
    async request(info, request, response) {
      const { path, query } = split(request.url ?? '/');
      const scope: Scope = { context, info, user: userOf(request.headers), response };
      const { method = 'GET' } = request;
      if (path === '/health' && method === 'GET') return void response.writeHead(204).end();
      if (path === '/files' && (method === 'GET' || method === 'POST')) return files(scope, request, query);
      if (!mayUseAgent(context, info, request.headers)) return unauthorised(scope, path);
      if (/^\/(?:process\.Process|filesystem\.Filesystem)\//.test(path)) {
        const closed = Promise.withResolvers<void>();
        response.once('close', () => closed.resolve());
        scopes.set(request, scope);
        rpc(request, response);
        return closed.promise;
      }
      if (path === '/metrics' && method === 'GET') return json(scope, await metrics(scope));
      if (path === '/envs' && method === 'GET') return json(scope, await environment(scope));
      answer(response, failure(404, 'not found'));
    },
    async signedFor(request) {
      const signed = signedRequest(split(request.url ?? '/').query, operationOf(request));
      if (signed === null) return null;
      const running = await context.engine.sandboxes.list();
      const made = running.find(({ id }) =>
        context.auth.matches(signed.signature, signatureOf(signed, context.auth.sandboxToken(id))),
      );
      return made?.id ?? null;
    },
  };
}

const operationOf = ({ method }: IncomingMessage): Operation => (method === 'GET' ? 'read' : 'write');

async function files(scope: Scope, request: IncomingMessage, query: URLSearchParams): Promise<void> {
  const { context, info, response } = scope;
  const signed = signedRequest(query, operationOf(request));
  if (!mayUseAgent(context, info, request.headers)) {
    if (signed === null) return unauthorised(scope, '/files');
    const expected = signatureOf(signed, context.auth.sandboxToken(info.id));
    if (!context.auth.matches(signed.signature, expected)) return answer(response, failure(401, 'invalid signature'));
    if (hasExpired(signed, Date.now())) return answer(response, failure(401, 'signature is already expired'));
  }
  const named = query.get('username');
  const asUser = named === null || named === '' ? scope : { ...scope, user: named };
  const path = query.get('path');
  return request.method === 'GET' ? download(asUser, request, path ?? '') : upload(asUser, request, path);
}

function unauthorised({ response }: Scope, path: string): void {
  const message = 'unauthorized access, please provide a valid access token or method signing if applicable';
  if (/^\/(?:process|filesystem)\./.test(path))
    answer(response, { status: 401, body: { code: 'unauthenticated', message } });
  else answer(response, failure(401, message));
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
