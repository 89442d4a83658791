import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import * as z from 'zod';
import { NovaError } from '@novasandbox/protocol';
import { CommandFailure, runCommand } from '../../programs/command.ts';
import { dockerHub } from './reference.ts';

/** How to prove who we are: by name and password, or with a token that the registry exchanges for others. */
export type Credentials = { readonly username: string; readonly password: string } | { readonly identityToken: string };

const configSchema = z.object({
  auths: z
    .record(
      z.string(),
      z.object({
        auth: z.string().optional(),
        username: z.string().optional(),
        password: z.string().optional(),
        identitytoken: z.string().optional(),
      }),
    )
    .optional(),
  credHelpers: z.record(z.string(), z.string()).optional(),
  credsStore: z.string().optional(),
});

/** Docker's own name for its registry in this file. */
const hubNames = ['https://index.docker.io/v1/', 'index.docker.io', dockerHub, 'registry-1.docker.io'];

/** A helper that asks somebody at a keyboard would wait for ever, ms. */
const helperMs = 30_000;

/**
 * The credentials for a registry in Docker's config: `$DOCKER_CONFIG/config.json`, else `~/.docker/config.json`. Null
 * where it has none.
 * @throws NovaError `registry_denied` where the file cannot be read or a helper fails
 */
export async function credentialsFor(registry: string, signal?: AbortSignal): Promise<Credentials | null> {
  const file = join(process.env['DOCKER_CONFIG'] ?? join(homedir(), '.docker'), 'config.json');
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return null;
    throw error;
  });
  if (text === null) return null;
  let config: z.output<typeof configSchema>;
  try {
    config = configSchema.parse(JSON.parse(text));
  } catch (error) {
    throw new NovaError('registry_denied', `${file} cannot be read.`, {
      cause: error,
      hint: 'Mend it, or log in anew.',
    });
  }
  const names = registry === dockerHub ? hubNames : [registry, `https://${registry}`, `https://${registry}/`];
  for (const name of names) {
    const helper = config.credHelpers?.[name];
    if (helper !== undefined) return fromHelper(helper, name, signal);
  }
  for (const name of names) {
    const entry = config.auths?.[name];
    if (entry?.identitytoken !== undefined && entry.identitytoken !== '') return { identityToken: entry.identitytoken };
    if (entry?.auth !== undefined && entry.auth !== '') {
      const decoded = Buffer.from(entry.auth, 'base64').toString('utf8');
      const colon = decoded.indexOf(':');
      if (colon > 0) return { username: decoded.slice(0, colon), password: decoded.slice(colon + 1) };
    }
    if (entry?.username !== undefined && entry.password !== undefined)
      return { username: entry.username, password: entry.password };
  }
  const store = config.credsStore;
  return store === undefined ? null : fromHelper(store, names[0] ?? registry, signal);
}

const answerSchema = z.object({ Username: z.string(), Secret: z.string() });

/** Programs that keep credentials: `docker-credential-<name> get` reads the registry's name and prints JSON. */
async function fromHelper(helper: string, name: string, signal?: AbortSignal): Promise<Credentials | null> {
  if (!/^[a-zA-Z0-9][\w.-]*$/.test(helper))
    throw new NovaError(
      'registry_denied',
      `Docker's config names the helper ${JSON.stringify(helper)}, which is no name.`,
    );
  const program = `docker-credential-${helper}`;
  try {
    const text = await runCommand(program, ['get'], { input: `${name}\n`, limitMs: helperMs, signal });
    const { Username: username, Secret: secret } = answerSchema.parse(JSON.parse(text));
    // The protocol of helpers marks tokens by this name.
    return username === '<token>' ? { identityToken: secret } : { username, password: secret };
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof CommandFailure && /credentials not found/i.test(error.tail)) return null;
    // What a helper prints may be a secret.
    throw new NovaError('registry_denied', `${program} gives no credentials for ${name}.`, {
      hint: `Look at what \`echo ${name} | ${program} get\` says.`,
    });
  }
}
