import { readsTls, type NetworkPolicy, type Secret, type SecretInfo } from '@novasandbox/protocol';
import { makeAuthority } from '../certificates/authority.ts';
import type { Authority } from '../ports/egress.ts';
import { placeholderFor } from './placeholder.ts';
import type { Seals } from '../ports/seals.ts';
import type { ServedSecret } from '@novasandbox/protocol';
import type { StoredAuthority, StoredSecret } from '../ports/store.ts';

/** @param before the secret of that name, whose placeholder the guest knows */
export function storedSecret(seals: Seals, secret: Secret, before?: StoredSecret): StoredSecret {
  const { name, value, hosts, positions, inject = null, env = name, budget } = secret;
  const placeholder = before?.placeholder ?? placeholderFor(value);
  return {
    ...{ name, placeholder, hosts, positions, inject, env, budget },
    sealed: seals.seal(value, `secret ${placeholder}`),
    used: before?.used ?? { requests: 0, bytes: 0 },
  };
}

export function servedSecret(seals: Seals, stored: StoredSecret): ServedSecret {
  const { name, placeholder, sealed, hosts, positions, inject, budget, used } = stored;
  const value = sealed === null ? null : seals.open(sealed, `secret ${placeholder}`);
  return { name, placeholder, value, hosts, positions, inject, budget, used };
}

export const secretInfo = ({ name, hosts, placeholder, env, inject, budget, used }: StoredSecret): SecretInfo => ({
  ...{ name, hosts, placeholder, env, budget, used },
  inject: inject?.header ?? null,
});

/** The environment variables of a guest with its placeholders. */
export const placeholdersOf = (secrets: readonly StoredSecret[]): Record<string, string> =>
  Object.fromEntries(
    secrets.flatMap(({ env, placeholder, sealed }) =>
      env === null || sealed === null ? [] : [[env, placeholder] as const],
    ),
  );

/** Whether TLS of a guest has to be read, so that it has to trust an authority of ours. */
export const needsAuthority = (policy: NetworkPolicy | null, secrets: readonly StoredSecret[]): boolean =>
  secrets.length > 0 || policy?.rules.some(readsTls) === true;

export function newAuthority(seals: Seals): StoredAuthority {
  const { certificate, key } = makeAuthority();
  return { certificate, sealedKey: seals.seal(key, `authority ${certificate}`) };
}

export const openedAuthority = (seals: Seals, { certificate, sealedKey }: StoredAuthority): Authority => ({
  certificate,
  key: seals.open(sealedKey, `authority ${certificate}`),
});
