import { isAbsolute, resolve } from 'node:path';
import { NovaError } from '@novasandbox/protocol';

/** An image in a registry. */
export interface RegistryReference {
  readonly type: 'registry';
  /** Host and, where given, port. */
  readonly registry: string;
  readonly repository: string;
  readonly tag: string;
  /** `sha256:…`, where the reference pins one. */
  readonly digest: string | null;
}

/** An image in a file or folder of this host, or one that a container engine of this host has. */
export type LocalReference =
  | { readonly type: 'path'; readonly path: string }
  | { readonly type: 'engine'; readonly program: 'docker' | 'podman'; readonly name: string };

export type ImageReference = RegistryReference | LocalReference;

/** Where names without a registry are looked up, as all container engines do. */
export const dockerHub = 'docker.io';

const repositoryPattern = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/;
const tagPattern = /^\w[\w.-]{0,127}$/;
const registryPattern = /^(?:[a-zA-Z0-9](?:[a-zA-Z0-9.-]*[a-zA-Z0-9])?|\[[0-9a-fA-F:]+\])(?::\d{1,5})?$/;
const enginePattern = /^(docker|podman):(?!\d)(.+)$/;
const engineNamePattern = /^[a-zA-Z0-9][\w./:@-]*$/;
export const digestPattern = /^sha256:[0-9a-f]{64}$/;

/**
 * The one spelling of an image's name that is stored: paths are absolute, names in registries complete.
 * @throws NovaError `invalid_argument`
 */
export function canonicalImage(text: string): string {
  const reference = parseImage(text);
  switch (reference.type) {
    case 'path':
      return reference.path;
    case 'engine':
      return `${reference.program}:${reference.name}`;
    case 'registry': {
      const { registry, repository, tag, digest } = reference;
      return `${registry}/${repository}:${tag}${digest === null ? '' : `@${digest}`}`;
    }
  }
}

/**
 * Reads the name of an image: `alpine`, `ghcr.io/owner/name:tag@sha256:…`, `docker:name` for an image of the local
 * Docker engine, or a path that begins with `/`, `./` or `../`.
 * @throws NovaError `invalid_argument`
 */
export function parseImage(text: string): ImageReference {
  if (/^\.{0,2}\//.test(text)) return { type: 'path', path: isAbsolute(text) ? text : resolve(text) };
  const [, program, name = ''] = enginePattern.exec(text) ?? [];
  if (program === 'docker' || program === 'podman') {
    if (!engineNamePattern.test(name)) throw notAName(text);
    return { type: 'engine', program, name };
  }
  const [rest = '', digest, ...more] = text.split('@');
  if (more.length > 0 || (digest !== undefined && !digestPattern.test(digest))) throw notAName(text);
  const slash = rest.indexOf('/');
  const first = slash < 0 ? '' : rest.slice(0, slash);
  // Only a name with a dot, a port or `localhost` is a registry's: `library/alpine` is in Docker Hub.
  const hasRegistry = /[.:]/.test(first) || first === 'localhost';
  const path = hasRegistry ? rest.slice(slash + 1) : rest;
  const colon = path.lastIndexOf(':');
  const name_ = colon < 0 ? path : path.slice(0, colon);
  const tag = colon < 0 ? 'latest' : path.slice(colon + 1);
  const registry = hasRegistry ? (first === 'index.docker.io' ? dockerHub : first.toLowerCase()) : dockerHub;
  const repository = registry === dockerHub && !name_.includes('/') ? `library/${name_}` : name_;
  if (!registryPattern.test(registry) || !repositoryPattern.test(repository) || !tagPattern.test(tag))
    throw notAName(text);
  if (repository.length > 255) throw notAName(text);
  return { type: 'registry', registry, repository, tag, digest: digest ?? null };
}

const notAName = (text: string): NovaError =>
  new NovaError('invalid_argument', `image: ${JSON.stringify(text)} is no name of an image.`, {
    hint: 'Give a name such as alpine:3.22 or ghcr.io/owner/name@sha256:…, or a path that begins with / or ./.',
  });
