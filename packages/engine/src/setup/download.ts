import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { NovaError } from '@novasandbox/protocol';
import { vmms } from '../drivers/registry.ts';
import { throwIfAborted } from '../abort.ts';
import type { StepUpdate } from '../artifacts/step.ts';

export interface Network {
  /** Default: Node's own. */
  readonly fetch?: typeof globalThis.fetch | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Whether an address may be fetched, checked for each hop of a redirect; default: any. */
  readonly mayAsk?: ((url: URL) => boolean) | undefined;
}

/** A release has some megabytes; a larger file is refused. */
export const maxBytes = 512 << 20;
/** A server that sends nothing for this long counts as stopped, ms. */
const stallMs = 60_000;
/** A slow download is given up after this time, ms: twice what the largest file takes at 150 kB a second. */
const wholeMs = 2 * 60 * 60_000;
const mostRedirects = 5;

const variables = vmms.flatMap(({ programs }) =>
  programs.flatMap(({ release, variable }) => (release === null ? [] : (variable ?? []))),
);
const noNetworkHint =
  'Check the network, or name a mirror of https://github.com in NOVA_MIRROR. ' +
  `A program fetched by hand is named in its variable (${variables.join(', ')}).`;

/**
 * Fetches a file and hashes it meanwhile. Gives its SHA-256.
 * @throws NovaError `download_failed` where the server cannot be reached, has no such file or breaks off; `cancelled`
 * on abort
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

/** Fetches a small text. By default every hop must use HTTPS. */
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
    // A full disk is not a failure of the network.
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

/**
 * Follows redirects itself, because every hop must use one of these protocols: an attacker on any hop decides where the
 * next one leads.
 */
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
    if (mayAsk?.(hop) === false) throw new Error(`it leads to ${hop.host}, which is only fetched over https`);
    const response = await ask(hop.href);
    const next = response.status >= 300 && response.status < 400 ? response.headers.get('location') : null;
    if (next === null) return response;
    await response.body?.cancel();
    hop = new URL(next, hop);
  }
  throw new Error(`it is redirected more than ${mostRedirects} times`);
}

/** `fetch` only says "fetch failed"; the reason is in its cause. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? `${error.message} (${error.cause.message})` : error.message;
}
