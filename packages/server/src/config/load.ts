import { existsSync, readFileSync } from 'node:fs';
import { NovaError, parse } from '@novasandbox/protocol';
import { parse as parseYaml } from 'yaml';
import { nameOrigins } from './origins.ts';
import { serverConfigSchema, type ServerConfig } from './schema.ts';

type Sections = Record<string, Record<string, unknown>>;

export interface ConfigSources {
  /** The configuration file. A file that was named must exist; the default file need not. */
  readonly file: string;
  readonly fileNamed: boolean;
  readonly env: NodeJS.ProcessEnv;
  /** Values from the command line; undefined counts as not given. */
  readonly flags?: { readonly [section in keyof ServerConfig]?: Readonly<Record<string, unknown>> };
}

/** Short names of frequently used variables. */
const aliases: Readonly<Record<string, readonly [section: string, field: string]>> = {
  NOVA_HOST: ['server', 'host'],
  NOVA_PORT: ['server', 'port'],
  NOVA_API_KEY: ['security', 'api_key'],
  NOVA_LOG_LEVEL: ['monitoring', 'log_level'],
};

/**
 * Merges the defaults, the file, the environment (`NOVA_<SECTION>_<FIELD>`) and the flags, each of which overrides
 * those before it. Errors name the field and the variable that it came from.
 */
export function loadConfig({ file, fileNamed, env, flags = {} }: ConfigSources): ServerConfig {
  const given: Sections = {};
  const origins = new Map<string, string>();
  for (const layer of [fromFile(file, fileNamed), fromEnvironment(env, origins), flags]) merge(given, layer);
  for (const [section, fields] of Object.entries(flags)) {
    for (const [field, value] of Object.entries(fields)) if (value !== undefined) origins.delete(`${section}.${field}`);
  }
  try {
    return parse(serverConfigSchema, given, 'config');
  } catch (error) {
    throw nameOrigins(error, origins);
  }
}

/** The configuration without its secrets, for display. */
export function redacted(config: ServerConfig): ServerConfig {
  const { security, monitoring } = config;
  const { webhook } = monitoring;
  return {
    ...config,
    security: security.api_key === undefined ? security : { ...security, api_key: hidden },
    monitoring: webhook?.secret === undefined ? monitoring : { ...monitoring, webhook: { ...webhook, secret: hidden } },
  };
}

const hidden = '[redacted]';

function merge(into: Sections, layer: object): void {
  for (const [section, fields] of Object.entries(layer) as [string, unknown][]) {
    if (fields === null || fields === undefined) continue;
    if (typeof fields !== 'object') {
      throw new NovaError('invalid_argument', `config: ${section}: is a section, with its fields below it.`);
    }
    const defined = Object.entries(fields).filter(([, value]) => value !== undefined);
    into[section] = { ...into[section], ...Object.fromEntries(defined) };
  }
}

function fromFile(file: string, named: boolean): object {
  if (!existsSync(file)) {
    if (named) throw new NovaError('invalid_argument', `config: there is no file ${file}.`);
    return {};
  }
  let content: unknown;
  try {
    content = parseYaml(readFileSync(file, 'utf8'));
  } catch (error) {
    throw new NovaError(
      'invalid_argument',
      `config: ${file}: ${error instanceof Error ? error.message : String(error)}`,
      {
        cause: error,
      },
    );
  }
  if (content === null || content === undefined) return {};
  if (typeof content !== 'object' || Array.isArray(content)) {
    throw new NovaError('invalid_argument', `config: ${file} does not hold sections.`);
  }
  return content;
}

/** Notes in `origins` which variable each field came from. */
function fromEnvironment(env: NodeJS.ProcessEnv, origins: Map<string, string>): Sections {
  const sections: Sections = {};
  for (const [name, value] of Object.entries(env)) {
    if (value === undefined || value === '') continue;
    const place = aliases[name] ?? placeOf(name);
    if (place === null) continue;
    const [section, field] = place;
    sections[section] = { ...sections[section], [field]: valueOf(value) };
    origins.set(`${section}.${field}`, name);
  }
  return sections;
}

/** NOVA_SERVER_PORT is server.port. Other variables that begin with NOVA_ are not the daemon's. */
function placeOf(name: string): readonly [string, string] | null {
  for (const section of Object.keys(serverConfigSchema.shape)) {
    const prefix = `NOVA_${section.toUpperCase()}_`;
    if (name.startsWith(prefix)) return [section, name.slice(prefix.length).toLowerCase()];
  }
  return null;
}

/** Parses the text of a variable: numbers, booleans and lists are written as in the file. */
function valueOf(text: string): unknown {
  if (/^(true|false|-?\d+(\.\d+)?|[[{].*)$/s.test(text)) {
    try {
      return parseYaml(text) as unknown;
    } catch {
      return text;
    }
  }
  return text;
}
