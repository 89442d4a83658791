import type { Command } from 'commander';
import { printable } from '@novasandbox/protocol/visible';
import type { Role, RoleInfo, User } from 'novasandbox';
import { readPassword } from '../args/password.ts';
import { roleOption } from '../args/role.ts';
import { removeEach } from '../access/remove-each.ts';
import { withAccess } from '../access/with-access.ts';
import { printJson } from '../render/json.ts';
import { renderTable } from '../render/table.ts';

interface AddOptions {
  readonly role?: Role;
  readonly team?: string;
  readonly passwordStdin?: boolean;
  readonly json?: boolean;
}

interface ListOptions {
  readonly quiet?: boolean;
  readonly json?: boolean;
}

export function define(command: Command): void {
  command.description('Users of the daemon, who log in with a password for a token.').addHelpText(
    'after',
    `
These are the users of this host's daemon, or of the daemon that --api-url names. To create a user's key: "nova key create --user".

Examples:
  nova user add ann --role power_user --team crew
  nova user ls
  nova user whoami`,
  );
  command
    .command('add')
    .description('Add a user. The password is asked for, or read from stdin.')
    .argument('<name>', 'the name to log in with')
    .addOption(roleOption())
    .option('--team <team>', 'the team (default: one of its own)')
    .option('--password-stdin', 'read the password from stdin: one line, 12 characters at least')
    .option('--json', 'print all about the user as JSON')
    .addHelpText(
      'after',
      '\nExamples:\n  nova user add ann\n  pass ann | nova user add ann --password-stdin --team crew',
    )
    .action((name: string, options: AddOptions) => add(name, options));
  command
    .command('ls')
    .description('List users.')
    .option('-q, --quiet', 'names alone')
    .option('--json', 'print as JSON')
    .addHelpText('after', '\nExample:\n  nova user ls')
    .action((options: ListOptions) => ls(options));
  command
    .command('rm')
    .description('Remove users and revoke their keys. Their sandboxes stay; the admin can reach them.')
    .argument('<user...>', 'names of users')
    .option('--json', 'print what was removed as JSON')
    .addHelpText('after', '\nExample:\n  nova user rm ann')
    .action((names: string[], { json = false }: { readonly json?: boolean }) =>
      removeEach(names, { json }, (access, name) => access.removeUser(name)),
    );
  command
    .command('roles')
    .description('List the roles and what they allow.')
    .option('--json', 'print as JSON')
    .addHelpText('after', '\nExample:\n  nova user roles')
    .action((options: ListOptions) => roles(options));
  command
    .command('whoami')
    .description('Show your identity for the daemon.')
    .option('--json', 'print as JSON, with all permissions')
    .addHelpText('after', '\nExample:\n  nova user whoami')
    .action((options: ListOptions) => whoami(options));
}

async function add(username: string, { role, team, passwordStdin = false, json = false }: AddOptions): Promise<void> {
  const password = await readPassword({ fromStdin: passwordStdin });
  const user = await withAccess((access) => access.createUser({ username, password, role, team }));
  if (json) printJson(user);
  else process.stdout.write(`${printable(user.username)}\n`);
}

async function ls({ quiet = false, json = false }: ListOptions): Promise<void> {
  const users = await withAccess((access) => access.listUsers());
  if (json) printJson(users);
  else if (quiet) process.stdout.write(users.map(({ username }) => `${printable(username)}\n`).join(''));
  else process.stdout.write(renderTable(['NAME', 'ROLE', 'TEAM', 'CREATED', 'LOCKED UNTIL'], users.map(toRow)));
}

const toRow = ({ username, role, team, createdAt, lockedUntil }: User): string[] => [
  username,
  role,
  team,
  createdAt,
  lockedUntil ?? '-',
];

async function roles({ json = false }: ListOptions): Promise<void> {
  const found = await withAccess((access) => access.roles());
  if (json) return printJson(found);
  const reaches: Readonly<Record<RoleInfo['reach'], string>> = { own: 'its own', team: "the team's", all: 'all' };
  const rows = found.map(({ name, reach, permissions }) => [name, reaches[reach], permissions.join(' ')]);
  process.stdout.write(renderTable(['ROLE', 'SANDBOXES', 'PERMISSIONS'], rows));
}

async function whoami({ json = false }: ListOptions): Promise<void> {
  const me = await withAccess((access) => access.whoAmI());
  if (json) return printJson(me);
  const { kind, name, role, owner, team } = me;
  process.stdout.write(
    renderTable(['KIND', 'NAME', 'ROLE', 'OWNER', 'TEAM'], [[kind, name, role, owner ?? 'the host', team ?? '-']]),
  );
}
