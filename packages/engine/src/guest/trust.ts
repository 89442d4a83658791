import { rootCertificates } from 'node:tls';
import { isNovaError } from '@novasandbox/protocol';
import { folderNameOf } from '../certificates/authority.ts';
import type { CallOptions, GuestAgent } from '../ports/guest-agent.ts';
import type { SandboxRecord } from '../ports/store.ts';

/** In memory, so that a root file system that cannot be written to has it too. */
const folder = '/run/novasandbox';
const [bundle, single] = [`${folder}/ca-bundle.pem`, `${folder}/ca.pem`];

/** The files in which distributions keep the authorities that they trust, most common first. */
const ownBundles = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/ca-bundle.pem',
  '/etc/ssl/cert.pem',
];
/** A folder in which OpenSSL looks authorities up by the hashes of their names. */
const ownFolder = '/etc/ssl/certs';
/** Where Debian and Alpine look for more when they make the bundle anew. */
const addedFolder = '/usr/local/share/ca-certificates';
/** A bundle of all authorities of the web has less than a quarter of that. */
const longestBundle = 4 << 20;

/**
 * The variables by which programs find the bundle: each of these libraries has its own list of authorities unless it is
 * told otherwise. Node adds to its list, and the others replace theirs.
 */
export const trustEnvironment: Readonly<Record<string, string>> = {
  NODE_EXTRA_CA_CERTS: single,
  SSL_CERT_FILE: bundle,
  REQUESTS_CA_BUNDLE: bundle,
  CURL_CA_BUNDLE: bundle,
  GIT_SSL_CAINFO: bundle,
  PIP_CERT: bundle,
  CARGO_HTTP_CAINFO: bundle,
  AWS_CA_BUNDLE: bundle,
  DENO_CERT: single,
};

/** Has the guest of a sandbox trust its authority, where it has one. */
export async function trustOwn(
  agent: GuestAgent,
  { authority }: Pick<SandboxRecord, 'authority'>,
  signal: AbortSignal | undefined,
): Promise<void> {
  if (authority !== null) await trustAuthority(agent, authority.certificate, { signal });
}

/**
 * Has a guest trust an authority beside those that it trusts already: in a bundle of its own, which the environment
 * names to programs, and in the guest's own store, as far as that can be written to.
 */
export async function trustAuthority(agent: GuestAgent, certificate: string, options: CallOptions = {}): Promise<void> {
  const write = async (path: string, text: string): Promise<void> => {
    await agent.writeFile(path, [Buffer.from(text)], { mode: 0o644, user: 'root' }, options);
  };
  await agent.makeDirectory(folder, { mode: 0o755, user: 'root' }, options);
  const found = await firstBundle(agent, options);
  const authorities = found?.text ?? rootCertificates.join('\n');
  const whole = authorities.includes(certificate) ? authorities : `${authorities.trimEnd()}\n${certificate}`;
  await write(single, certificate);
  await write(bundle, whole);
  if (found === null) return;
  const into = async (path: string, text: string): Promise<void> => {
    try {
      await write(path, text);
    } catch (error) {
      // Its root file system is read-only, or full.
      if (isNovaError(error, 'guest_unreachable', 'guest_protocol_error', 'cancelled')) throw error;
    }
  };
  if (whole !== authorities) await into(found.path, whole);
  if (await isThere(agent, ownFolder, options))
    await into(`${ownFolder}/${folderNameOf({ certificate })}`, certificate);
  if (await isThere(agent, addedFolder, options)) await into(`${addedFolder}/novasandbox.crt`, certificate);
}

async function firstBundle(agent: GuestAgent, options: CallOptions): Promise<{ path: string; text: string } | null> {
  for (const path of ownBundles) {
    try {
      await using file = await agent.readFile(path, { length: longestBundle, user: 'root' }, options);
      const chunks = await Array.fromAsync(file.bytes);
      return { path, text: Buffer.concat(chunks).toString('latin1') };
    } catch (error) {
      if (!isNovaError(error, 'file_not_found', 'not_a_directory')) throw error;
    }
  }
  return null;
}

async function isThere(agent: GuestAgent, path: string, options: CallOptions): Promise<boolean> {
  try {
    return (await agent.stat(path, 'root', options)).type === 'directory';
  } catch (error) {
    if (isNovaError(error, 'file_not_found', 'not_a_directory')) return false;
    throw error;
  }
}
