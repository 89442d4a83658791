import { createHash } from 'node:crypto';
import type { SandboxConfig } from '@novasandbox/protocol';
import { channelCount, type GuestImages } from '../guest/guest-spec.ts';
import { placeVolumes } from '../guest/place-volumes.ts';
import type { SandboxPlan } from '../guest/plan.ts';
import { hostKernelArguments } from '../vmm/host-kernel-arguments.ts';

/** The inputs of a golden snapshot. */
export interface GoldenShape {
  readonly config: SandboxConfig;
  readonly plan: SandboxPlan;
  readonly images: GuestImages;
}

/** Raise this when the content of snapshots changes in a way that their inputs do not show. */
const recipeVersion = 3;

/**
 * Whether a config can be a clone of a golden snapshot: it must boot the template's own images with the template's own
 * command line.
 */
export function canClone(config: SandboxConfig, { driver }: Pick<SandboxPlan, 'driver'>): boolean {
  return (
    driver.features.restore &&
    config.kernelArgs === undefined &&
    config.rootfsPath === undefined &&
    config.firmwarePath === undefined &&
    !config.hyperv &&
    config.extraDrives.length === 0 &&
    (config.volumes.length === 0 || driver.features.exchangeableDrives)
  );
}

/**
 * Names a golden snapshot by everything it depends on: images, hypervisor and the shape of the machine. Two configs
 * with one digest are clones of one snapshot, and a change in any of these makes another.
 */
export async function shapeDigest({ config, plan, images }: GoldenShape): Promise<string> {
  const shape = {
    recipeVersion,
    kernel: images.kernel.digest,
    initramfs: images.initramfs.digest,
    root: images.root.digest,
    hypervisor: await plan.driver.snapshotKey(plan.template.architecture),
    architecture: plan.template.architecture,
    memoryMb: plan.memoryMb,
    vcpus: plan.vcpus,
    diskSizeMb: plan.diskSizeMb,
    network: plan.network,
    readOnlyRootfs: config.readOnlyRootfs,
    ...(config.volumes.length === 0 ? {} : { volumes: placeVolumes(config).map(({ readOnly }) => readOnly) }),
    channels: channelCount,
    ...(hostKernelArguments().length === 0 ? {} : { kernelArguments: hostKernelArguments() }),
    warm: plan.template.template.warm,
    templateId: plan.template.template.template_id,
  };
  return createHash('sha256').update(JSON.stringify(shape)).digest('hex').slice(0, 32);
}
