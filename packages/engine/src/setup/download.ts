import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { NovaError } from '@novasandbox/protocol';
import { throwIfAborted } from '../abort.ts';
import type { StepUpdate } from '../images/step.ts';

export interface Network {
  /** Default: Node's own. */
  readonly fetch?: typeof globalThis.fetch | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Whether an address may be asked, each hop of a redirect among them; default: any. */
  readonly mayAsk?: ((url: URL) => boolean) | undefined;
}

/** A release is some megabytes; more than this is none. */
export const maxBytes = 512 << 20;
/** A server that sends nothing for so long has stopped, ms. */
const stallMs = 60_000;
/** One that drips is given up on after this, ms: twice what the largest file takes at 150 kB a second. */
const wholeMs = 2 * 60 * 60_000;
const mostRedirects = 5;

export const noNetworkHint =
  'Check the network, or name a mirror of https://github.com in NOVA_MIRROR. A program fetched by hand is named in NOVA_FIRECRACKER, NOVA_JAILER or NOVA_CLOUD_HYPERVISOR.';

/**
 * Fetches a file, hashing it on the way. Gives its SHA-256.
 * @throws NovaError `download_failed` where the server cannot be reached, has no such file or breaks off; `cancelled` on abort
 */
export async function download(
  url: string,
  file: string,
  network: Network,
  update: StepUpdate,
  largestBytes = maxBytes,
): Promise<string> {
  const hash = createHash('sha256');
  let received = 0;
  await receive(url, network, ['http:', 'https:'], async (response, alive) => {
    const announced = Number(response.headers.get('content-length') ?? Number.NaN);
    if (announced > largestBytes) throw new Error(`it is larger than ${largestBytes} bytes`);
    const counted = async function* (source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
      for await (const chunk of source) {
        alive();
        received += chunk.length;
        if (received > largestBytes) throw new Error(`it is larger than ${largestBytes} bytes`);
        hash.update(chunk);
        update(url, announced > 0 ? Math.min(1, received / announced) : undefined);
        yield chunk;
      }
    };
    await pipeline(bytesOf(response), counted, createWriteStream(file, { flags: 'wx', mode: 0o600 }));
  });
  return hash.digest('hex');
}

/** Fetches a small text, which has to come over HTTPS all the way where nothing else is said. */
export async function downloadText(
  url: string,
  network: Network,
  largestBytes: number,
  protocols: readonly string[] = ['https:'],
): Promise<string> {
  const chunks: Uint8Array[] = [];
  await receive(url, network, protocols, async (response, alive) => {
    let size = 0;
    for await (const chunk of bytesOf(response)) {
      alive();
      size += chunk.length;
      if (size > largestBytes) throw new Error(`it is larger than ${largestBytes} bytes`);
      chunks.push(chunk);
    }
  });
  return Buffer.concat(chunks).toString('utf8');
}

const bytesOf = (response: Response): AsyncIterable<Uint8Array> =>
  response.body ?? new ReadableStream<Uint8Array>({ start: (empty) => empty.close() });

async function receive(
  url: string,
  { fetch = globalThis.fetch, signal, mayAsk }: Network,
  protocols: readonly string[],
  consume: (response: Response, alive: () => void) => Promise<void>,
): Promise<void> {
  const stalled = new AbortController();
  const timer = setTimeout(() => stalled.abort(new Error(`nothing came for ${stallMs / 1000} s`)), stallMs);
  const whole = AbortSignal.timeout(wholeMs);
  let answered: number | undefined;
  try {
    const any = AbortSignal.any([stalled.signal, whole, ...(signal === undefined ? [] : [signal])]);
    const response = await follow(url, protocols, mayAsk, (hop) =>
      fetch(hop, { signal: any, redirect: 'manual', headers: { 'user-agent': 'novasandbox' } }),
    );
    if (!response.ok) {
      await response.body?.cancel();
      answered = response.status;
      throw new Error(`the server answered ${response.status} ${response.statusText}`.trim());
    }
    await consume(response, () => timer.refresh());
  } catch (error) {
    throwIfAborted(signal, 'while fetching a release');
    // A full disk is no fault of the network.
    if (error instanceof Error && 'code' in error && error.code === 'ENOSPC') throw error;
    throw new NovaError('download_failed', `${url} cannot be fetched: ${reasonOf(error)}`, {
      cause: error,
      hint: noNetworkHint,
      details: { url, status: answered ?? null },
    });
  } finally {
    clearTimeout(timer);
  }
}

/** Follows redirects itself: not only the last of the hops has to be one of these protocols, as whoever sits on one decides where the next leads. */
async function follow(
  url: string,
  protocols: readonly string[],
  mayAsk: Network['mayAsk'],
  ask: (hop: string) => Promise<Response>,
): Promise<Response> {
  let hop = new URL(url);
  for (let redirects = 0; redirects <= mostRedirects; redirects++) {
    if (!protocols.includes(hop.protocol))
      throw new Error(`${hop.protocol}//${hop.host} is no ${protocols.map((name) => name.slice(0, -1)).join(' or ')}`);
    if (mayAsk?.(hop) === false) throw new Error(`it leads to ${hop.host}, which is asked over https alone`);
    const response = await ask(hop.href);
    const next = response.status >= 300 && response.status < 400 ? response.headers.get('location') : null;
    if (next === null) return response;
    await response.body?.cancel();
    hop = new URL(next, hop);
  }
  throw new Error(`it is redirected more than ${mostRedirects} times`);
}

/** `fetch` says "fetch failed"; why is in its cause. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? `${error.message} (${error.cause.message})` : error.message;
}
