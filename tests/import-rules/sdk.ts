import { partOf, type Rule } from './rule.ts';

const sdk = 'packages/sdk/src';
const part = partOf(sdk);

/** The SDK: classes for users over the services, which a backend provides: the engine of this process, or a daemon. */
export const sdkRules: readonly Rule[] = [
  {
    from: sdk,
    may: ['@novasandbox/protocol', '@novasandbox/engine', '#backend', '#workspace', '#administration'],
    because: 'the SDK speaks the services',
  },
  part('with-resolvers.ts', {}, 'promises depend on nothing'),
  part(
    'remote',
    { packages: ['undici', 'ws', 'zod', '#manifest'], parts: ['with-resolvers.ts'] },
    'the way to a daemon knows the contract and the services, and no class of the SDK',
  ),
  part('backend', { parts: ['remote'] }, 'which engine is spoken to is chosen before any class is made'),
  part(
    'administration',
    { packages: ['#administration'], parts: ['connection.ts', 'remote', 'sandbox.ts'] },
    'the host is administered through the engine, which is found as for sandboxes',
  ),
  part('tar', {}, 'archives know no sandbox'),
  part(
    'commands',
    { parts: ['sandbox-scope.ts', 'with-resolvers.ts'] },
    'commands know the sandbox by its scope alone',
  ),
  part('ports', { parts: ['remote', 'sandbox-scope.ts'] }, 'ports are of a daemon, and know the sandbox by its scope'),
  part('files', { parts: ['sandbox-scope.ts', 'tar'] }, 'files know the sandbox by its scope alone'),
  part(
    'snapshots',
    { parts: ['connection.ts', 'tar'] },
    'what is kept and branched knows a sandbox by how it is removed',
  ),
  part(
    'workspace',
    { packages: ['diff', 'ignore', 'node-diff3'], parts: ['sandbox-scope.ts', 'tar'] },
    'workspaces know the sandbox by its scope alone',
  ),
  part('pty', { parts: ['commands', 'sandbox-scope.ts'] }, 'a terminal is a command with a size'),
];
