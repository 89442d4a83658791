import type { Command } from 'commander';
import { printable } from '@novasandbox/protocol/visible';
import type { SecretInfo, SecretInput, SecretSettingsInput } from '@novasandbox/protocol';
import { parseSecret } from '../args/secret.ts';
import { parseWholeNumber } from '../args/whole-number.ts';
import { openEngine } from '../open-engine.ts';
import { printJson } from '../render/json.ts';
import { renderTable } from '../render/table.ts';
import { UsageError } from '../usage-error.ts';

interface SetOptions {
  readonly inject?: string;
  readonly requests?: number;
  readonly bytes?: number;
  readonly json?: boolean;
}

export function define(command: Command): void {
  command.description('Secrets that sandboxes use without having them.').addHelpText(
    'after',
    `
"nova run" and "nova create" take --secret. The guest has a placeholder in its environment, which becomes the value in
requests over HTTPS to the hosts of the secret.

Examples:
  nova run --secret GITHUB_TOKEN@api.github.com -- gh api user
  nova secret set box OPENAI_API_KEY@api.openai.com --requests 1000
  nova secret rm box OPENAI_API_KEY`,
  );
  command
    .command('set')
    .description('Give a sandbox a secret, also while it runs, or another value for one that it has.')
    .argument('<sandbox>', 'id, beginning of the id, or name')
    .argument('<name@host>', 'NAME@HOST, NAME=env:OTHER@HOST or NAME=file:PATH@HOST')
    .option('--inject <header>', 'set this header in each request to the hosts, such as "Authorization: Bearer {}"')
    .option('--requests <count>', 'most requests with the secret', parseWholeNumber)
    .option('--bytes <count>', 'most bytes of these requests and their answers', parseWholeNumber)
    .option('--json', 'print as JSON')
    .addHelpText('after', '\nExample:\n  nova secret set box GITHUB_TOKEN=file:token.txt@api.github.com,github.com')
    .action((ref: string, word: string, options: SetOptions) => set(ref, parseSecret(word), options));
  command
    .command('ls')
    .description('List the secrets of a sandbox, without their values, and what they were used for.')
    .argument('<sandbox>', 'id, beginning of the id, or name')
    .option('--json', 'print as JSON')
    .addHelpText('after', '\nExample:\n  nova secret ls box')
    .action((ref: string, options: { readonly json?: boolean }) => list(ref, options));
  command
    .command('rm')
    .description('Take a secret from a sandbox, and end what uses it.')
    .argument('<sandbox>', 'id, beginning of the id, or name')
    .argument('<name>', 'name of the secret')
    .addHelpText('after', '\nExample:\n  nova secret rm box GITHUB_TOKEN')
    .action((ref: string, name: string) => remove(ref, name));
}

async function set(
  ref: string,
  { name, ...settings }: SecretInput,
  { inject, requests, bytes, json }: SetOptions,
): Promise<void> {
  const more: Partial<SecretSettingsInput> = {
    ...(inject === undefined ? {} : { inject: injectionOf(inject) }),
    budget: { ...(requests === undefined ? {} : { requests }), ...(bytes === undefined ? {} : { bytes }) },
  };
  await using engine = await openEngine();
  const info = await engine.sandboxes.setSecret(ref, name, { ...settings, ...more });
  if (json === true) printJson(info);
  else process.stdout.write(`${info.placeholder}\n`);
}

function injectionOf(text: string): NonNullable<SecretSettingsInput['inject']> {
  const [, header, format] = /^([^:\s]+):\s*(.*)$/s.exec(text) ?? [];
  if (header === undefined || format === undefined)
    throw new UsageError('--inject: write a header with {} for the value, such as "Authorization: Bearer {}".');
  return { header, format };
}

async function list(ref: string, { json = false }: { readonly json?: boolean }): Promise<void> {
  await using engine = await openEngine();
  const secrets = await engine.sandboxes.secrets(ref);
  if (json) printJson(secrets);
  else process.stdout.write(renderTable(['NAME', 'HOSTS', 'REQUESTS', 'BYTES'], secrets.map(rowOf)));
}

const limited = (used: number, most: number | undefined): string =>
  most === undefined ? `${used}` : `${used}/${most}`;

const rowOf = ({ name, hosts, used, budget }: SecretInfo): string[] => [
  name,
  printable(hosts.map(({ host, port }) => (port === 443 ? host : `${host}:${port}`)).join(',')),
  limited(used.requests, budget.requests),
  limited(used.bytes, budget.bytes),
];

async function remove(ref: string, name: string): Promise<void> {
  await using engine = await openEngine();
  await engine.sandboxes.removeSecret(ref, name);
}
