import type { Command } from 'commander';
import { printable } from '@novasandbox/protocol/visible';
import type { ApiKey, Permission, Role } from 'novasandbox';
import { addTo } from '../args/add-to.ts';
import { parseDuration } from '../args/duration.ts';
import { roleOption } from '../args/role.ts';
import { removeEach } from '../access/remove-each.ts';
import { withAccess } from '../access/with-access.ts';
import { printJson } from '../render/json.ts';
import { spanOf } from '../render/quantity.ts';
import { renderTable } from '../render/table.ts';

interface CreateOptions {
  readonly role?: Role;
  readonly user?: string;
  readonly team?: string;
  readonly scope?: readonly string[];
  readonly expires?: number;
  readonly json?: boolean;
}

export function define(command: Command): void {
  command.description('Keys to the daemon: each has a role, scopes that limit it, and an expiry time.').addHelpText(
    'after',
    `
These are the keys of this host's daemon, or of the daemon that --api-url names. Only "nova key create" prints the secret.

Examples:
  nova key create ci --role user --expires 90d
  nova key ls
  nova key rm 1f2e3d`,
  );
  command
    .command('create')
    .description('Create a key and print it. It is not shown again.')
    .argument('<name>', 'what it is for')
    .addOption(roleOption())
    .option('--user <user>', 'the user who owns the key and its sandboxes (default: the key itself)')
    .option('--team <team>', "its team (default: the user's, or one of its own)")
    .option('--scope <permission>', 'limit the key to this permission of its role, may be repeated', addTo)
    .option('--expires <time>', 'how long it is valid, such as 90d (default: until it is removed)', parseDuration)
    .option('--json', 'print the key and all about it as JSON')
    .addHelpText(
      'after',
      `
Examples:
  nova key create ci
  nova key create watcher --role power_user --team crew --scope vm:read
  nova key create ann-laptop --user ann > key && chmod 600 key`,
    )
    .action((name: string, options: CreateOptions) => create(name, options));
  command
    .command('ls')
    .description('List keys.')
    .option('-a, --all', 'include revoked and expired ones')
    .option('-q, --quiet', 'ids alone')
    .option('--json', 'print as JSON')
    .addHelpText('after', '\nExample:\n  nova key ls --all')
    .action((options: ListOptions) => ls(options));
  command
    .command('rm')
    .description('Revoke keys at once.')
    .argument('<key...>', 'ids of keys')
    .option('--json', 'print what was revoked as JSON')
    .addHelpText('after', '\nExample:\n  nova key rm 1f2e3d')
    .action((ids: string[], { json = false }: { readonly json?: boolean }) =>
      removeEach(ids, { json }, (access, id) => access.revokeKey(id)),
    );
}

async function create(name: string, { role, user, team, scope, expires, json = false }: CreateOptions): Promise<void> {
  // The daemon checks whether the permissions exist.
  const scopes = scope as readonly Permission[] | undefined;
  const made = await withAccess((access) =>
    access.createKey({ name, role, username: user, team, scopes, expiresInMs: expires }),
  );
  if (json) return printJson(made);
  process.stdout.write(`${printable(made.key)}\n`);
  process.stderr.write(`nova: this is key ${printable(made.id)} of the role ${made.role}; it is not shown again\n`);
}

interface ListOptions {
  readonly all?: boolean;
  readonly quiet?: boolean;
  readonly json?: boolean;
}

async function ls({ all = false, quiet = false, json = false }: ListOptions): Promise<void> {
  const keys = (await withAccess((access) => access.listKeys())).filter((key) => all || stateOf(key) === 'good');
  if (json) printJson(keys);
  else if (quiet) process.stdout.write(keys.map(({ id }) => `${printable(id)}\n`).join(''));
  else process.stdout.write(renderTable(header, keys.map(toRow)));
}

const header = ['ID', 'NAME', 'ROLE', 'USER', 'TEAM', 'SCOPES', 'STATE', 'EXPIRES', 'LAST USED'];

function toRow(key: ApiKey): string[] {
  const { id, name, role, username, team, scopes, expiresAt, lastUsedAt } = key;
  return [
    id,
    name,
    role,
    username ?? '-',
    team ?? '-',
    scopes.length === 0 ? 'all' : scopes.join(','),
    stateOf(key),
    expiresAt ?? 'never',
    lastUsedAt === null ? 'never' : `${spanOf(Date.now() - Date.parse(lastUsedAt))} ago`,
  ];
}

function stateOf({ revoked, expiresAt }: ApiKey): 'good' | 'revoked' | 'expired' {
  if (revoked) return 'revoked';
  return expiresAt !== null && Date.parse(expiresAt) <= Date.now() ? 'expired' : 'good';
}
