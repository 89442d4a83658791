import { partOf, type Rule } from './rule.ts';

const cli = 'packages/cli/src';
const part = partOf(cli);
const client = ['novasandbox', 'commander'];

/** The command line is a client: main -> program -> verbs -> commands -> the SDK. */
export const cliRules: readonly Rule[] = [
  {
    from: cli,
    may: ['@novasandbox/protocol', '@novasandbox/engine', ...client],
    because: 'the command line is a client of the SDK and of the services behind it',
  },
  part('version.ts', {}, 'a version depends on nothing'),
  part('exit-codes.ts', {}, 'data depends on nothing'),
  part('usage-error.ts', {}, 'errors depend on nothing'),
  part('quick-modules.ts', {}, 'it runs before any module is loaded'),
  part('from-checkout.ts', {}, 'it knows what may be missing, not what it is'),
  part(
    'args',
    { packages: ['commander', '@novasandbox/server'], parts: ['usage-error.ts'] },
    'options are parsed without doing anything',
  ),
  part(
    'render',
    { packages: ['commander'], parts: ['args/typed-options.ts', 'exit-codes.ts', 'usage-error.ts'] },
    'what is shown does not depend on who shows it',
  ),
  part(
    'process',
    { packages: ['novasandbox'], parts: ['args', 'exit-codes.ts', 'output-failed.ts', 'render', 'usage-error.ts'] },
    'a command and our terminal are joined in the same way by every verb',
  ),
  part('access', { packages: ['novasandbox'], parts: ['open-engine.ts', 'render'] }, 'keys and users are of a daemon'),
  part('copy', { packages: ['novasandbox'], parts: ['args', 'render', 'usage-error.ts'] }, 'copying knows no verb'),
  part(
    'copying.ts',
    { packages: ['commander'], parts: ['args', 'copy', 'open-engine.ts', 'process', 'render'] },
    'how a copy is asked for and shown does not depend on what is copied',
  ),
  part(
    'volumes',
    { packages: ['novasandbox'], parts: ['args', 'copy', 'usage-error.ts'] },
    'what -v asks for is sorted out before a sandbox is there',
  ),
  part(
    'workspace',
    { packages: ['novasandbox'], parts: ['args', 'render', 'usage-error.ts'] },
    'a review is held in the same way whoever asks for it',
  ),
  part('path', { parts: ['render'] }, 'a link in the PATH is made without an engine'),
  part(
    'logs',
    { packages: ['novasandbox'], parts: ['process', 'render'] },
    'logs are shown in the same way whatever they are of',
  ),
  part(
    'snapshots',
    {
      packages: ['novasandbox'],
      parts: ['agree.ts', 'copy', 'is-gone.ts', 'open-engine.ts', 'render', 'usage-error.ts', 'with-progress.ts'],
    },
    'what is done with snapshots does not depend on how its options are written',
  ),
  part(
    'fork',
    { packages: ['novasandbox'], parts: ['process', 'render'] },
    'a command is run in children that are there',
  ),
  part(
    'ssh',
    { packages: ['ssh2'], parts: ['process'] },
    'an SSH client is served in the same way whoever has started it',
  ),
  part('own-command.ts', {}, 'the words of this program are facts of the process'),
  part('config-file.ts', {}, "a user's file is replaced whatever is in it"),
  part(
    'mcp',
    { packages: ['jsonc-parser', 'smol-toml'] },
    'the file of a host is changed without a host, and without a server',
  ),
  part(
    'policies',
    {
      packages: ['commander', 'novasandbox'],
      parts: ['args', 'is-gone.ts', 'make-sandbox.ts', 'open-engine.ts', 'process', 'render', 'usage-error.ts'],
    },
    'what is done with policies does not depend on the verb that offers it',
  ),
  part('list', { packages: ['novasandbox'], parts: ['render'] }, 'a list is shown, and does not know who asks for it'),
  part('doctor', { parts: ['open-engine.ts', 'render', 'version.ts'] }, 'findings are found before they are shown'),
  part(
    'completion',
    { packages: ['commander'], parts: ['args'] },
    'candidates are read off a program, whose verbs they do not know',
  ),
  part(
    'commands',
    {
      packages: [...client, '@novasandbox/mcp', '@novasandbox/server', '@novasandbox/bench', '@novasandbox/lab'],
      parts: [
        ...[
          'access',
          'args',
          'completion',
          'copy',
          'doctor',
          'fork',
          'list',
          'logs',
          'mcp',
          'path',
          'policies',
          'process',
          'render',
        ],
        ...['snapshots', 'ssh', 'volumes', 'workspace', 'agree.ts', 'config-file.ts', 'copying.ts', 'each-sandbox.ts'],
        ...[
          'exit-codes.ts',
          'from-checkout.ts',
          'is-gone.ts',
          'own-command.ts',
          'make-sandbox.ts',
          'open-engine.ts',
          'usage-error.ts',
          'version.ts',
        ],
        'warm.ts',
      ],
    },
    'a verb knows what does its work, and neither the program nor another verb by way of it',
  ),
];
