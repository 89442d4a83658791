import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createEngine } from '@novasandbox/engine';
import { WebSocket } from 'ws';
import { assertNoLeaks } from './leaks.ts';
import { novaCommand, until } from './nova-cli.ts';
import { testHome, type TestHome } from './test-home.ts';

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  /** Parsed where it is JSON. */
  readonly body: any; // oxlint-disable-line typescript/no-explicit-any -- tests look into it field by field
  readonly bytes: Buffer;
}

export interface RequestOptions {
  readonly body?: unknown;
  readonly raw?: Uint8Array | ReadableStream | FormData;
  readonly headers?: Readonly<Record<string, string>>;
  /** Another key; null for none. */
  readonly key?: string | null;
  readonly signal?: AbortSignal;
}

/**
 * `nova serve` as a process of its own, on a free port and a state folder of its own. Disposing ends it and searches
 * for leftovers.
 */
export interface ServerUnderTest extends AsyncDisposable {
  readonly home: TestHome;
  readonly url: string;
  readonly key: string;
  readonly child: ChildProcess;
  /** `path` below /api/v1, or from the root when it begins with `//`. */
  call(method: string, path: string, options?: RequestOptions): Promise<Answer>;
  /** The same, but throws when it is no success. */
  ok(method: string, path: string, body?: unknown): Promise<Answer['body']>;
  vm(config?: Readonly<Record<string, unknown>>): Promise<Answer['body']>;
  socket(path: string, key?: string, headers?: Readonly<Record<string, string>>): WebSocket;
  /** The end of its log. */
  said(): string;
  /** Ends the daemon with the signal and waits for its end. */
  end(signal: NodeJS.Signals): Promise<number | null>;
  /** Starts it again on the same state folder. */
  restart(): Promise<void>;
}

/** @param given a state folder, which is removed with the server; default: a new one */
export async function serverUnderTest(env: NodeJS.ProcessEnv = {}, given?: TestHome): Promise<ServerUnderTest> {
  const home = given ?? (await testHome());
  let child: ChildProcess;
  let url = '';
  let log = '';
  const start = async (): Promise<void> => {
    const argv = [...novaCommand.slice(1), 'serve', '--port', '0'];
    child = spawn(process.execPath, argv, { env: { ...home.env, NOVA_SERVER_DRAIN_SECONDS: '2', ...env } });
    child.stderr?.setEncoding('utf8').on('data', (text: string) => (log = (log + text).slice(-20_000)));
    const said = await until(child.stdout, 'listens on').catch((error: unknown) => {
      throw new Error(`${String(error)}\n${log}`);
    });
    url = /listens on (\S+)/.exec(said)?.[1] ?? '';
  };
  await start();
  const end = async (signal: NodeJS.Signals): Promise<number | null> => {
    if (child.exitCode !== null || child.signalCode !== null) return child.exitCode;
    const ended = once(child, 'exit');
    child.kill(signal);
    await ended;
    return child.exitCode;
  };
  const server: ServerUnderTest = {
    home,
    get url() {
      return url;
    },
    get child() {
      return child;
    },
    key: readFileSync(home.layout.daemon.keyFile, 'utf8').trim(),
    async call(method, path, { body, raw, headers = {}, key = server.key, signal } = {}) {
      const response = await fetch(`${url}${path.startsWith('//') ? path.slice(1) : `/api/v1${path}`}`, {
        method,
        headers: {
          ...(key === null ? {} : { 'x-api-key': key }),
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          ...headers,
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        ...(raw === undefined ? {} : { body: raw as NonNullable<RequestInit['body']>, duplex: 'half' }),
        ...(signal === undefined ? {} : { signal }),
      });
      const bytes = Buffer.from(await response.arrayBuffer());
      const isJson = response.headers.get('content-type')?.startsWith('application/json') === true;
      return {
        status: response.status,
        headers: response.headers,
        bytes,
        body: isJson ? JSON.parse(bytes.toString()) : null,
      };
    },
    async ok(method, path, body) {
      const answer = await server.call(method, path, { body });
      if (answer.status >= 300)
        throw new Error(`${method} ${path}: ${answer.status} ${answer.bytes.toString()}\n${log}`);
      return answer.body;
    },
    vm: (config = {}) => server.ok('POST', '/vms', config),
    socket: (path, key = server.key, headers = {}) =>
      new WebSocket(`${url.replace('http', 'ws')}/api/v1${path}`, { headers: { 'x-api-key': key, ...headers } }),
    said: () => log,
    end,
    restart: start,
    [Symbol.asyncDispose]: async () => {
      try {
        const code = await end('SIGTERM');
        if (code !== 0 && child.signalCode === null) throw new Error(`the daemon ended with ${code}:\n${log}`);
        await using engine = await createEngine({ home: home.home });
        for (const { id } of await engine.sandboxes.list({ all: true }))
          await engine.sandboxes.remove(id, { force: true });
        await assertNoLeaks(home.layout);
      } finally {
        await home[Symbol.asyncDispose]();
      }
    },
  };
  return server;
}

export interface SocketTalk {
  readonly texts: Record<string, unknown>[];
  readonly bytes: Buffer[];
  readonly closed: Promise<number>;
}

/** Collects the messages of a WebSocket. */
export function listen(socket: WebSocket): SocketTalk {
  const talk: { texts: Record<string, unknown>[]; bytes: Buffer[] } = { texts: [], bytes: [] };
  socket.on('message', (data: Buffer, isBinary) => {
    if (isBinary) talk.bytes.push(data);
    else talk.texts.push(JSON.parse(data.toString()) as Record<string, unknown>);
  });
  const closed = new Promise<number>((resolve, reject) => {
    socket.on('close', resolve);
    socket.on('error', reject);
  });
  closed.catch(() => undefined);
  return { ...talk, closed };
}
