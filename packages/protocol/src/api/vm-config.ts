import * as z from 'zod';
import { sandboxConfigSchema, type SandboxConfig } from '../config/schema.ts';
import { fromWire, toldShape, toWire } from '../config/wire.ts';
import { parse } from '../parse.ts';
import { givenLabels } from '../sandbox.ts';

/** Configuration of a VM on the wire. Paths of the daemon's host are not reported. */
export const vmConfigSchema = z.object(toldShape);
export type VmConfig = z.infer<typeof vmConfigSchema>;

/** The parts of the configuration that limit a running VM. */
export const vmBoundsSchema = vmConfigSchema.pick({ max_processes: true, timeout_seconds: true });

export function vmConfigOf(config: SandboxConfig): VmConfig {
  const nothing = Object.fromEntries(Object.keys(toldShape).map((name) => [name, null]));
  return { ...nothing, ...toWire({ ...config, labels: givenLabels(config.labels) }) } as VmConfig;
}

export const configOfVmConfig = (wire: VmConfig): SandboxConfig => parse(sandboxConfigSchema, fromWire(wire), 'config');
