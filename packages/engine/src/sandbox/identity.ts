import type { SandboxConfig } from '@novasandbox/protocol';
import { memoryReserveMb, uniqueIdentity } from '../guest/identity.ts';
import { mountsOf } from '../guest/place-volumes.ts';
import { trustEnvironment } from '../guest/trust.ts';
import type { GuestIdentity } from '../ports/guest-agent.ts';
import type { SandboxRecord } from '../ports/store.ts';
import { placeholdersOf } from '../secrets/keep.ts';

/**
 * Everything that distinguishes one clone from another. It is sent before any program of a tenant runs.
 *
 * @param template the template's settings for its guests; its user exists in its root image
 */
export function identityOf(
  record: SandboxRecord,
  template: {
    readonly user: string | undefined;
    readonly env: Readonly<Record<string, string>>;
    readonly workdir?: string | undefined;
  },
): GuestIdentity {
  const { config } = record;
  const defaultUser = config.user ?? template.user;
  return {
    ...uniqueIdentity(hostnameOf(record)),
    env: environmentOf(record, template.env),
    deadlineMs: deadlineOf(config, config.timeoutMs),
    processLimit: config.maxProcesses,
    memoryReserveMb,
    ...(defaultUser === undefined ? {} : { defaultUser }),
    ...(template.workdir === undefined ? {} : { defaultCwd: template.workdir }),
    ...(config.volumes.length === 0 ? {} : { volumes: mountsOf(config) }),
  };
}

/** The environment of every command: the template's, ours, and the user's, which comes last. */
export const environmentOf = (
  { id, config, secrets, authority }: Pick<SandboxRecord, 'id' | 'config' | 'secrets' | 'authority'>,
  ofTemplate: Readonly<Record<string, string>>,
): Record<string, string> => ({
  ...ofTemplate,
  NOVA_SANDBOX: 'true',
  NOVA_SANDBOX_ID: id,
  ...(authority === null ? {} : trustEnvironment),
  ...placeholdersOf(secrets),
  ...config.env,
});

/**
 * When a guest with that time to live powers itself off, ms from now; null for never. One that is to be paused or
 * hibernated then must not: the host does it.
 */
export const deadlineOf = ({ onTimeout }: Pick<SandboxConfig, 'onTimeout'>, timeoutMs: number): number | null =>
  timeoutMs === 0 || onTimeout !== 'stop' ? null : timeoutMs;

/** The host name of a guest is the name of its sandbox, without the characters that host names may not have. */
function hostnameOf(record: SandboxRecord): string {
  const name = record.name ?? record.id;
  return (
    name
      .toLowerCase()
      .replaceAll(/[^a-z0-9-]/g, '-')
      .replace(/^-+|-+$/g, '')
      .slice(0, 63) || record.id
  );
}
