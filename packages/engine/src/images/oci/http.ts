import * as http from 'node:http';
import * as https from 'node:https';
import { readFile } from 'node:fs/promises';
import { rootCertificates } from 'node:tls';
import { NovaError } from '@novasandbox/protocol';

/** How long a server may say nothing, ms. A slow transfer that goes on is not cut. */
const silentMs = 60_000;
const mostRedirects = 5;

export interface HttpAnswer {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: http.IncomingMessage;
}

export interface HttpRequest {
  readonly method?: 'GET' | 'HEAD' | 'POST';
  readonly headers?: Readonly<Record<string, string>>;
  /** Only for the first server: never sent on where that one redirects to another. */
  readonly authorization?: string | undefined;
  readonly content?: string;
  readonly signal?: AbortSignal | undefined;
}

/** Requests to servers of a registry. */
export class RegistryHttp implements Disposable {
  readonly #certificates: string | undefined;
  readonly #mayBePlain: (host: string) => boolean;
  readonly #plain = new http.Agent({ keepAlive: true, proxyEnv: process.env });
  #secure: https.Agent | undefined;

  /**
   * @param mayBePlain the servers, as `host:port` or `host`, that may be spoken to without TLS
   * @param certificates a file with certificates of authorities
   */
  constructor(mayBePlain: (host: string) => boolean, certificates?: string) {
    this.#mayBePlain = mayBePlain;
    this.#certificates = certificates;
  }

  /** Sends a request and follows redirects. Resolves once the head of the answer is there. */
  async request(address: URL, wanted: HttpRequest): Promise<HttpAnswer> {
    let url = address;
    let authorization = wanted.authorization;
    for (let hops = 0; hops <= mostRedirects; hops += 1) {
      const answer = await this.#send(url, { ...wanted, authorization });
      const { location } = answer.headers;
      if (![301, 302, 303, 307, 308].includes(answer.status) || location === undefined) return answer;
      answer.body.destroy();
      const next = new URL(location, url);
      // Blobs are often with a store of another owner, who must not get to know our token.
      if (next.origin !== url.origin) authorization = undefined;
      if (url.protocol === 'https:' && next.protocol !== 'https:')
        throw failed(`${url.host} redirects to ${next.host} without TLS`);
      url = next;
    }
    throw failed(`${address.host} redirects more than ${mostRedirects} times`);
  }

  [Symbol.dispose](): void {
    this.#plain.destroy();
    this.#secure?.destroy();
  }

  async #send(url: URL, { method = 'GET', headers, authorization, content, signal }: HttpRequest): Promise<HttpAnswer> {
    const isPlain = url.protocol === 'http:';
    if (!isPlain && url.protocol !== 'https:') throw failed(`${url.protocol} is no protocol of registries`);
    if (isPlain && !this.#mayBePlain(url.host))
      throw new NovaError('registry_denied', `${url.host} would be spoken to without TLS.`, {
        hint: 'Use https, or name it under "insecure" in registries.json of the state folder.',
      });
    const agent = isPlain ? this.#plain : await this.#secureAgent();
    return new Promise((resolve, reject) => {
      const request = (isPlain ? http : https).request(url, {
        method,
        agent,
        timeout: silentMs,
        headers: {
          'user-agent': 'novasandbox',
          ...headers,
          ...(authorization === undefined ? {} : { authorization }),
          ...(content === undefined ? {} : { 'content-length': String(Buffer.byteLength(content)) }),
        },
        ...(signal === undefined ? {} : { signal }),
      });
      request.on('timeout', () => request.destroy(new Error(`it said nothing for ${silentMs / 1000} s`)));
      request.on('error', (error) => {
        reject(signal?.aborted === true ? error : failed(`${url.host} does not answer: ${error.message}`, error));
      });
      request.on('response', (body) => {
        resolve({ status: body.statusCode ?? 0, headers: body.headers, body });
      });
      request.end(content);
    });
  }

  async #secureAgent(): Promise<https.Agent> {
    if (this.#secure === undefined) {
      const file = this.#certificates;
      const own = file === undefined ? null : await readFile(file, 'utf8');
      this.#secure = new https.Agent({
        keepAlive: true,
        proxyEnv: process.env,
        ...(own === null ? {} : { ca: [...rootCertificates, own] }),
      });
    }
    return this.#secure;
  }
}

/** Reads a body that has to be small. */
export async function readBody({ body }: HttpAnswer, most: number, what: string): Promise<Buffer> {
  const parts: Buffer[] = [];
  let size = 0;
  try {
    for await (const part of body as AsyncIterable<Buffer>) {
      size += part.length;
      if (size > most) throw failed(`${what} is larger than ${most} bytes`);
      parts.push(part);
    }
  } catch (error) {
    throw error instanceof NovaError ? error : failed(`${what} did not arrive whole`, error);
  }
  return Buffer.concat(parts);
}

/** A failure of a registry; `what` is a clause that says how. */
export const failed = (what: string, cause?: unknown): NovaError =>
  new NovaError('download_failed', `The image cannot be fetched: ${what}.`, { cause });
