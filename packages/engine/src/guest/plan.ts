import { existsSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { NovaError, type SandboxConfig } from '@novasandbox/protocol';
import { together } from '../abort.ts';
import type { EngineContext } from '../context.ts';
import type { LoadedTemplate } from '../ports/image-source.ts';
import { requireFreePort } from './free-port.ts';
import type { BuildContext, CreateContext } from '../services.ts';
import { loadTemplate } from '../images/load-template.ts';
import { chooseDriver, type ChosenDriver } from './choose-driver.ts';
import { requireEnforceable } from './governance.ts';
import { requireRoom } from './host-limits.ts';

/** The decisions about a sandbox, or another guest, before anything of it is made. */
export interface SandboxPlan extends ChosenDriver {
  readonly template: LoadedTemplate;
  readonly memoryMb: number;
  readonly vcpus: number;
  readonly diskSizeMb: number;
}

/** `ownership`: of the sandbox; a policy is looked up among its owner's. */
export type PlanContext = BuildContext & Pick<CreateContext, 'ownership'>;

/**
 * Fills in the template's sizes, and refuses a config that this host cannot run.
 *
 * @param how `root: false`: it does not boot from the template's root image, which need not be there. `known`: the
 * network that its memory knows
 */
export async function planSandbox(
  context: EngineContext,
  config: SandboxConfig,
  options: PlanContext = {},
  { root = true, known }: { readonly root?: boolean; readonly known?: ChosenDriver['network'] | undefined } = {},
): Promise<SandboxPlan> {
  if (config.image !== undefined) {
    throw new NovaError('invalid_argument', 'image: only a new sandbox can be made of an image by its name.', {
      hint: 'Make a template of it with `nova template build`, and give its name.',
    });
  }
  const declared = await loadTemplate(context.layout, config.templateId, config.architecture);
  const memoryMb = config.memoryMb ?? declared.template.memory_mb;
  const vcpus = config.vcpus ?? declared.template.vcpus;
  // The template says nothing about a disk image with a kernel of its own.
  const { min_memory_mb: leastMb, template_id: id } = declared.template;
  if (memoryMb < leastMb && config.firmwarePath === undefined) {
    throw new NovaError(
      'invalid_argument',
      `memoryMb: ${memoryMb} MiB is less than ${id} needs to boot (${leastMb} MiB).`,
    );
  }
  await requireRoom(context, { memoryMb, vcpus, diskSizeMb: config.diskSizeMb }, options.progress);
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
  const [{ driver, accelerator, network, whyNoSlot }] = await together(options.signal, [
    (signal) => chooseDriver(context, { ...config, vcpus }, { ...options, known, signal }),
    // A missing root image takes longest, so it is made while the hypervisor is being probed.
    async (signal) => (root ? makeRoot(context, config, declared, { ...options, signal }) : undefined),
  ]);
  const owner = options.ownership?.owner ?? null;
  requireEnforceable(context.store, config, { driver, network, whyNoSlot, owner });
  // What an image says of its guests is known once it has been fetched.
  const template =
    declared.template.source.type === 'oci'
      ? await loadTemplate(context.layout, config.templateId, config.architecture)
      : declared;
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
