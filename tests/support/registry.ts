import { once } from 'node:events';
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { MadeBlob } from '../../packages/engine/src/images/oci/testing/make-image.ts';

/** A registry of the tests: the pull half of the OCI distribution specification, and what registries do wrong. */
export interface TestRegistry extends AsyncDisposable {
  /** `127.0.0.1:port`. */
  readonly host: string;
  /** Puts an image, or an index, under a tag, and its blobs with it. */
  put(repository: string, tag: string, top: MadeBlob, blobs: readonly MadeBlob[]): void;
  /** All requests so far, as `METHOD path`. */
  readonly requests: string[];
  /** Values of the header Authorization, in the order of `requests`; empty where there was none. */
  readonly authorizations: string[];
  /** Answers a request in place of the registry where it returns true. */
  intercept: (request: IncomingMessage, response: ServerResponse) => boolean;
  /** How callers prove who they are; default: they need not. */
  auth:
    | { readonly type: 'none' }
    | { readonly type: 'basic'; readonly user: string; readonly password: string }
    | {
        readonly type: 'token';
        /** Credentials that the token server wants; null: none. */
        readonly credentials: string | null;
        /** How many requests a token is good for. */
        readonly uses: number;
      };
}

interface Tls {
  readonly key: string;
  readonly cert: string;
}

/** Starts a registry on a free port of the loopback. */
export async function startRegistry(tls?: Tls): Promise<TestRegistry> {
  const manifests = new Map<string, MadeBlob>();
  const blobs = new Map<string, Buffer>();
  const tokens = new Map<string, number>();
  let made = 0;

  const isLetIn = (request: IncomingMessage, response: ServerResponse): boolean => {
    const { auth } = registry;
    const given = request.headers.authorization ?? '';
    if (auth.type === 'none') return true;
    if (auth.type === 'basic') {
      if (given === `Basic ${Buffer.from(`${auth.user}:${auth.password}`).toString('base64')}`) return true;
      response.setHeader('www-authenticate', 'Basic realm="the tests"');
    } else {
      const left = tokens.get(given) ?? 0;
      tokens.set(given, left - 1);
      if (left > 0) return true;
      const realm = `${tls === undefined ? 'http' : 'https'}://${registry.host}/token`;
      response.setHeader('www-authenticate', `Bearer realm="${realm}",service="the tests",scope="repository:x:pull"`);
    }
    response.writeHead(401, { 'content-type': 'application/json' });
    response.end('{"errors":[{"code":"UNAUTHORIZED","message":"log in"}]}');
    return false;
  };

  const answer: RequestListener = (request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://registry');
    registry.requests.push(`${request.method ?? ''} ${pathname}`);
    registry.authorizations.push(request.headers.authorization ?? '');
    if (registry.intercept(request, response)) return;
    if (pathname === '/token') {
      const { auth } = registry;
      const wanted = auth.type === 'token' ? auth.credentials : null;
      const isRight = wanted === null || request.headers.authorization === wanted;
      if (auth.type !== 'token' || !isRight || searchParams.get('service') !== 'the tests') {
        response.writeHead(401).end('{"errors":[{"message":"wrong credentials"}]}');
        return;
      }
      const token = `token-${(made += 1)}`;
      tokens.set(`Bearer ${token}`, auth.uses);
      response.end(JSON.stringify({ token }));
      return;
    }
    if (!isLetIn(request, response)) return;
    const [, repository = '', kind, name = ''] = /^\/v2\/(.+)\/(manifests|blobs)\/([^/]+)$/.exec(pathname) ?? [];
    if (kind === 'manifests') {
      const manifest = manifests.get(`${repository} ${name}`);
      if (manifest === undefined) {
        response.writeHead(404).end('{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}');
        return;
      }
      response.setHeader('docker-content-digest', manifest.digest);
      response.end(manifest.bytes);
      return;
    }
    const bytes = blobs.get(name);
    if (bytes === undefined) {
      response.writeHead(404).end('{"errors":[{"code":"BLOB_UNKNOWN"}]}');
      return;
    }
    const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
    if (from > 0) {
      response.writeHead(206, { 'content-range': `bytes ${from}-${bytes.length - 1}/${bytes.length}` });
    }
    response.end(bytes.subarray(from));
  };

  const server = tls === undefined ? createServer(answer) : createSecureServer(tls, answer);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const registry: TestRegistry = {
    host: `127.0.0.1:${port}`,
    put(repository, tag, top, parts) {
      for (const part of [top, ...parts]) {
        blobs.set(part.digest, part.bytes);
        manifests.set(`${repository} ${part.digest}`, part);
      }
      manifests.set(`${repository} ${tag}`, top);
    },
    requests: [],
    authorizations: [],
    intercept: () => false,
    auth: { type: 'none' },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
  return registry;
}
