import { existsSync } from 'node:fs';
import { InvalidArgumentError, Option, type Command } from 'commander';
import type { ServerConfig } from '@novasandbox/server';
import { keyOptions } from './connection-options.ts';
import { parseKeyFile } from './key-file.ts';

export interface ConfigFlags {
  readonly config?: string;
  readonly host?: string;
  readonly port?: number;
  readonly apiKey?: string;
  /** Content of the key file. */
  readonly apiKeyFile?: string;
}

/** Adds the options of the daemon's configuration, which are the same for all verbs that read it. */
export function configOptions(command: Command): Command {
  return command
    .option('--config <file>', 'configuration file (YAML); default config.yaml of the state folder', existingFile)
    .option('--host <address>', 'address to listen on (default 127.0.0.1)')
    .option('--port <number>', 'port to listen on, 0 for any (default 8000)', port)
    .addOption(
      new Option(keyOptions.file, 'file that holds the admin key: nova_ or e2b_ and hexadecimal digits')
        .argParser(parseKeyFile)
        .conflicts('apiKey'),
    )
    .option(keyOptions.key, 'the admin key itself, which every user of this machine can then read');
}

export async function loadServerConfig(flags: ConfigFlags): Promise<ServerConfig> {
  const { loadConfig } = await import('@novasandbox/server');
  const { layoutAt } = await import('@novasandbox/engine');
  return loadConfig({
    file: flags.config ?? layoutAt().daemon.configFile,
    fileNamed: flags.config !== undefined,
    env: process.env,
    flags: { server: { host: flags.host, port: flags.port }, security: { api_key: flags.apiKeyFile ?? flags.apiKey } },
  });
}

function port(text: string): number {
  const value = Number(text);
  if (!/^\d{1,5}$/.test(text) || value > 65_535) throw new InvalidArgumentError('It must be a number from 0 to 65535.');
  return value;
}

function existingFile(path: string): string {
  if (!existsSync(path)) throw new InvalidArgumentError('There is no such file.');
  return path;
}
