import { existsSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { totalmem } from 'node:os';
import { NovaError, type SandboxConfig } from '@novasandbox/protocol';
import { together } from '../abort.ts';
import type { EngineContext } from '../context.ts';
import type { LoadedTemplate } from '../ports/image-source.ts';
import { requireFreePort } from './free-port.ts';
import type { BuildContext } from '../services.ts';
import { loadTemplate } from '../template/load.ts';
import { chooseDriver, type ChosenDriver } from './choose-driver.ts';

/** What a config comes to on this host, before anything is made. */
export interface SandboxPlan extends ChosenDriver {
  readonly template: LoadedTemplate;
  readonly memoryMb: number;
  readonly vcpus: number;
  readonly diskSizeMb: number;
}

const mebibyte = 1024 * 1024;

/** Fills in the template's sizes and refuses what this host cannot do. */
export async function planSandbox(
  context: EngineContext,
  config: SandboxConfig,
  options: BuildContext = {},
): Promise<SandboxPlan> {
  const template = await loadTemplate(context.layout, config.templateId, config.architecture);
  const memoryMb = config.memoryMb ?? template.template.memory_mb;
  const hostMb = Math.floor(totalmem() / mebibyte);
  // A disk image that brings its own kernel needs what it needs.
  const { min_memory_mb: leastMb, template_id: id } = template.template;
  if (memoryMb < leastMb && config.firmwarePath === undefined) {
    throw new NovaError(
      'invalid_argument',
      `memoryMb: ${memoryMb} MiB is less than ${id} needs to boot (${leastMb} MiB).`,
    );
  }
  if (memoryMb > hostMb) {
    throw new NovaError('invalid_argument', `memoryMb: ${memoryMb} MiB is more than this host has (${hostMb} MiB).`);
  }
  if (config.rootfsPath !== undefined) await requireFile(config.rootfsPath, 'rootfsPath');
  for (const drive of config.extraDrives) await requireFile(drive.path, 'extraDrives');
  if (config.firmwarePath !== undefined) {
    await requireFile(config.firmwarePath, 'firmwarePath');
    if (config.rootfsPath === undefined)
      throw new NovaError('invalid_argument', 'firmwarePath: needs rootfsPath, the disk image it boots.');
  }
  if (!config.enableNetwork && config.hostPort !== undefined) {
    throw new NovaError('invalid_argument', 'hostPort: a sandbox without network cannot have a forwarded port.', {
      hint: 'Leave out hostPort, or set enableNetwork; tunnels work without network.',
    });
  }
  const vcpus = config.vcpus ?? template.template.vcpus;
  const [{ driver, accelerator, network }] = await together(options.signal, [
    (signal) => chooseDriver(context, { ...config, vcpus }, { ...options, signal }),
    // It takes longest where it is missing: made while the hypervisor is proved.
    (signal) => makeRoot(context, config, template, { ...options, signal }),
  ]);
  if (config.hostPort !== undefined) await requireFreePort(config.hostPort);
  return {
    template,
    driver,
    accelerator,
    network,
    memoryMb,
    vcpus,
    diskSizeMb: config.diskSizeMb ?? Math.round(template.template.disk_size_gb * 1024),
  };
}

/** Builds the root image where a machine will need it and it is missing. */
async function makeRoot(
  context: EngineContext,
  { hypervisor }: SandboxConfig,
  template: LoadedTemplate,
  options: BuildContext,
): Promise<void> {
  const hasRoot = [...context.drivers.values()].some(
    ({ name, features }) => features.virtualMachine && (hypervisor === 'auto' || hypervisor === name),
  );
  if (hasRoot && (await context.images.builtRootImage(template)) === null)
    await context.images.rootImage(template, options);
}

export async function requireFile(path: string, field: string): Promise<void> {
  if (!existsSync(path)) throw new NovaError('invalid_argument', `${field}: ${path} does not exist.`);
  if (!(await stat(path)).isFile()) throw new NovaError('invalid_argument', `${field}: ${path} is not a regular file.`);
}
