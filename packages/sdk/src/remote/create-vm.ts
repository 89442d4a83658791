import { asksForSomething, fields, parse, sandboxConfigSchema, type FieldName } from '@novasandbox/protocol';
import type { Field, SandboxConfigInput } from '@novasandbox/protocol';
import { toWire, type createVmSchema } from '@novasandbox/protocol/api';
import type * as z from 'zod';
import { notOverDaemon } from './remote-error.ts';

/**
 * Converts a config to the contract's form. The daemon's defaults, including the time to live, apply to missing fields.
 */
export function createVmOf(config: SandboxConfigInput): z.input<typeof createVmSchema> {
  // Checked here so that errors name the fields as the caller knows them.
  parse(sandboxConfigSchema, config, 'config');
  for (const [name, { hostAlone }] of Object.entries<Field>(fields))
    if (hostAlone !== undefined && asksForSomething(config[name as FieldName])) throw notOverDaemon(name);
  return toWire({ ...config, templateId: config.templateId ?? config.template });
}
