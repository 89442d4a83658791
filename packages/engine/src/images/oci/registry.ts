import { setTimeout as delay } from 'node:timers/promises';
import * as z from 'zod';
import { NovaError } from '@novasandbox/protocol';
import { credentialsFor } from './credentials.ts';
import { failed, readBody, RegistryHttp, type HttpAnswer, type HttpRequest } from './http.ts';
import { acceptedTypes, largestManifest } from './manifest.ts';
import { dockerHub, type RegistryReference } from './reference.ts';
import type { RegistrySettings } from './settings.ts';
import { sha256 } from '../../artifacts/stamp.ts';
import { existsSync } from 'node:fs';

/** A registry that says "later" is asked again so often, and nobody is made to wait longer than this each time, ms. */
const attempts = 4;
const longestWaitMs = 30_000;
const largestToken = 1 << 20;

/** Whether a server is on this host, where nobody listens in between. */
const isLoopback = (host: string): boolean => /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d+)?$/.test(host);

export interface ManifestAnswer {
  readonly digest: string;
  readonly bytes: Buffer;
}

/** One repository of a registry, or of a mirror of it, in the protocol of the OCI distribution specification. */
export class Repository implements Disposable {
  readonly #http: RegistryHttp;
  readonly #base: URL;
  readonly #registry: string;
  readonly #repository: string;
  #authorization: string | undefined;
  #renewing: Promise<void> | undefined;

  /** @param mirror address to use in place of the registry's own */
  constructor({ registry, repository }: RegistryReference, settings: RegistrySettings, mirror?: string) {
    const server = registry === dockerHub ? 'registry-1.docker.io' : registry;
    const mayBePlain = (host: string): boolean => isLoopback(host) || settings.insecure.includes(host);
    this.#base =
      mirror === undefined
        ? new URL(`${mayBePlain(server) ? 'http' : 'https'}://${server}/`)
        : new URL(mirror.endsWith('/') ? mirror : `${mirror}/`);
    const { host } = this.#base;
    // Docker's own place for them is read too.
    const dockers = `/etc/docker/certs.d/${host}/ca.crt`;
    const given = settings.certificates[host] ?? settings.certificates[registry];
    // A registry of this host may have TLS all the same: whoever gives its certificate says so.
    if (mirror === undefined && given !== undefined) this.#base.protocol = 'https:';
    this.#http = new RegistryHttp(mayBePlain, given ?? (existsSync(dockers) ? dockers : undefined));
    this.#registry = mirror === undefined ? registry : host;
    this.#repository = repository;
  }

  [Symbol.dispose](): void {
    this.#http[Symbol.dispose]();
  }

  /**
   * Fetches a manifest or index by tag or digest, and compares it with its digest.
   * @throws NovaError `image_not_found`, `registry_denied`, `download_failed`, `checksum_mismatch`
   */
  async manifest(reference: string, signal?: AbortSignal): Promise<ManifestAnswer> {
    const answer = await this.#call(`manifests/${reference}`, {
      headers: { accept: acceptedTypes.join(', ') },
      signal,
    });
    const bytes = await readBody(answer, largestManifest, 'its manifest');
    const digest = `sha256:${sha256(bytes)}`;
    const declared = reference.startsWith('sha256:') ? reference : answer.headers['docker-content-digest'];
    if (typeof declared === 'string' && declared.startsWith('sha256:') && declared !== digest)
      throw new NovaError(
        'checksum_mismatch',
        `The manifest of ${this.#repository} is not the one with the digest ${declared}.`,
      );
    return { digest, bytes };
  }

  /** Begins to fetch a blob, from a byte on. The answer is 206 where the registry does that, else 200 for all of it. */
  async blob(digest: string, from: number, signal?: AbortSignal): Promise<HttpAnswer> {
    return this.#call(`blobs/${digest}`, { headers: from === 0 ? {} : { range: `bytes=${from}-` }, signal });
  }

  async #call(path: string, request: HttpRequest): Promise<HttpAnswer> {
    const url = new URL(`v2/${this.#repository}/${path}`, this.#base);
    let wasRenewed = false;
    for (let attempt = 1; ; attempt += 1) {
      const used = this.#authorization;
      const answer = await this.#http.request(url, { ...request, authorization: used });
      const { status } = answer;
      if (status === 200 || status === 206 || status === 416) return answer;
      const text = (await readBody(answer, 64 * 1024, 'an error').catch(() => Buffer.of())).toString('utf8');
      if (status === 401 && !wasRenewed) {
        wasRenewed = true;
        // Several blobs are fetched at once: one of them gets the new token for all.
        if (this.#authorization === used) await (this.#renewing ??= this.#renew(answer, request.signal));
        continue;
      }
      if ((status === 429 || status >= 500) && attempt < attempts) {
        await delay(waitMs(answer, attempt), undefined, { signal: request.signal });
        continue;
      }
      throw this.#refused(status, path, text);
    }
  }

  #refused(status: number, path: string, text: string): NovaError {
    const said = saidOf(text);
    const name = `${this.#registry}/${this.#repository}`;
    if (status === 404)
      return new NovaError('image_not_found', `There is no ${path} in ${name}${said}.`, {
        hint: 'Check the name and the tag. Some registries answer so where one has to log in.',
      });
    if (status === 401 || status === 403)
      return new NovaError('registry_denied', `${this.#registry} does not let us read ${this.#repository}${said}.`);
    if (status === 429)
      return new NovaError('download_failed', `${this.#registry} allows no more pulls for now${said}.`, {
        hint: 'Log in with `docker login`, which raises the limit, wait, or use a mirror (registries.json).',
      });
    return failed(`${this.#registry} answers ${path} with ${status}${said}`);
  }

  /** Gets an authorization for what the registry asks for. */
  async #renew(answer: HttpAnswer, signal?: AbortSignal): Promise<void> {
    try {
      const challenge = answer.headers['www-authenticate'] ?? '';
      const credentials = await credentialsFor(this.#registry, signal);
      const basic =
        credentials !== null && 'username' in credentials
          ? `Basic ${Buffer.from(`${credentials.username}:${credentials.password}`).toString('base64')}`
          : undefined;
      if (/^basic\b/i.test(challenge)) {
        this.#authorization = basic;
        return;
      }
      const { realm, ...parameters } = parametersOf(challenge);
      if (!/^bearer\b/i.test(challenge) || realm === undefined || !URL.canParse(realm))
        throw new NovaError('registry_denied', `${this.#registry} asks for a proof that it does not describe.`);
      const url = new URL(realm);
      const service = parameters['service'] ?? '';
      const scope = parameters['scope'] ?? `repository:${this.#repository}:pull`;
      let token: HttpAnswer;
      if (credentials !== null && 'identityToken' in credentials) {
        const form = { grant_type: 'refresh_token', service, scope, client_id: 'novasandbox' };
        const content = new URLSearchParams({ ...form, refresh_token: credentials.identityToken }).toString();
        const headers = { 'content-type': 'application/x-www-form-urlencoded' };
        token = await this.#http.request(url, { method: 'POST', headers, content, signal });
      } else {
        if (service !== '') url.searchParams.set('service', service);
        url.searchParams.set('scope', scope);
        token = await this.#http.request(url, { authorization: basic, signal });
      }
      const body = await readBody(token, largestToken, 'a token');
      if (token.status !== 200)
        throw new NovaError(
          'registry_denied',
          `${url.host} gives no token for ${this.#repository}${saidOf(body.toString('utf8'))}.`,
        );
      const read = tokenSchema.safeParse(jsonOf(body.toString('utf8')));
      const text = read.success ? (read.data.token ?? read.data.access_token) : undefined;
      if (text === undefined) throw new NovaError('registry_denied', `${url.host} gives an answer without a token.`);
      this.#authorization = `Bearer ${text}`;
    } finally {
      this.#renewing = undefined;
    }
  }
}

/** It becomes part of a header, so it may hold nothing else. */
const tokenText = z
  .string()
  .max(100_000)
  .regex(/^[\x21-\x7e]+$/);
const tokenSchema = z.object({ token: tokenText.optional(), access_token: tokenText.optional() });

/** `key="value"` pairs of a challenge. */
function parametersOf(challenge: string): Partial<Record<string, string>> {
  const pairs = [...challenge.slice(0, 8192).matchAll(/([a-z_]+)="([^"]*)"/gi)];
  return Object.fromEntries(pairs.map(([, key = '', value = '']) => [key.toLowerCase(), value]));
}

function waitMs({ headers }: HttpAnswer, attempt: number): number {
  const seconds = Number(headers['retry-after'] ?? Number.NaN);
  const wanted = Number.isFinite(seconds) && seconds >= 0 ? seconds * 1000 : 250 * 2 ** attempt;
  return Math.min(wanted, longestWaitMs);
}

const errorsSchema = z.object({
  errors: z.array(z.object({ code: z.string().optional(), message: z.string().optional() })).min(1),
});

/** The reason that a registry gives for its refusal, as part of a message. */
function saidOf(text: string): string {
  const errors = errorsSchema.safeParse(jsonOf(text));
  const [first] = errors.success ? errors.data.errors : [];
  const said = (first?.message ?? first?.code ?? '').replaceAll(/[^\x20-\x7e]/g, '?').slice(0, 200);
  return said === '' ? '' : ` (it says: ${said})`;
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
