import type { Command } from 'commander';
import { printable } from '@novasandbox/protocol/visible';
import { completionCandidates } from '../completion/candidates.ts';
import { withAccess } from '../access/with-access.ts';
import { openEngine } from '../open-engine.ts';

export function define(command: Command, build: (verb: string) => Promise<Command>): void {
  command.argument('[words...]').action(async (words: string[]) => {
    const candidates = await completionCandidates(words, build, {
      sandboxes: async () => {
        await using engine = await openEngine();
        return (await engine.sandboxes.list({ all: true })).map(({ id, name }) => name ?? id);
      },
      templates: async () => {
        await using engine = await openEngine();
        return (await engine.templates.list()).map(({ id }) => id);
      },
      snapshots: async () => {
        await using engine = await openEngine();
        return (await engine.snapshots.list()).map(({ id, name }) => name ?? id);
      },
      volumes: async () => {
        await using engine = await openEngine();
        return (await engine.volumes.list()).map(({ name }) => name);
      },
      networks: async () => {
        await using engine = await openEngine();
        return (await engine.networks.list()).map(({ name }) => name);
      },
      commands: async (sandbox) => {
        await using engine = await openEngine();
        return (await engine.exec.list(sandbox)).filter(({ running }) => running).map(({ execId }) => String(execId));
      },
      async eventTypes() {
        const { eventKindSchema } = await import('@novasandbox/protocol');
        return eventKindSchema.options;
      },
      async permissions() {
        const { permissionSchema } = await import('@novasandbox/protocol/api');
        return permissionSchema.options;
      },
      keys: async () => (await withAccess((access) => access.listKeys())).map(({ id }) => id),
      users: async () => (await withAccess((access) => access.listUsers())).map(({ username }) => username),
    });
    process.stdout.write(candidates.map((candidate) => `${printable(candidate).replaceAll('\n', ' ')}\n`).join(''));
  });
}
