import { createHash } from 'node:crypto';
import type { SandboxConfig } from '@novasandbox/protocol';
import type { SandboxPlan } from '../sandbox/plan.ts';
import { hostKernelArguments } from '../vmm/host-kernel-arguments.ts';
import { channelCount, type GuestImages } from '../sandbox/guest-spec.ts';

/** Raised when what a snapshot holds changes in a way its inputs do not show. */
const recipeVersion = 3;

/** Whether a config can be a clone of a snapshot: what is booted from and the command line must be the template's own. */
export function canClone(config: SandboxConfig, plan: SandboxPlan): boolean {
  return (
    plan.driver.features.restore &&
    config.kernelArgs === undefined &&
    config.rootfsPath === undefined &&
    config.firmwarePath === undefined &&
    !config.hyperv &&
    config.extraDrives.length === 0
  );
}

/**
 * Names a snapshot by everything it depends on: images, hypervisor and the machine's shape. Two configs with one key are clones of one
 * snapshot; a change in any of these makes another.
 */
export async function shapeDigest(config: SandboxConfig, plan: SandboxPlan, images: GuestImages): Promise<string> {
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
    channels: channelCount,
    ...(hostKernelArguments().length === 0 ? {} : { kernelArguments: hostKernelArguments() }),
    warm: plan.template.template.warm,
    templateId: plan.template.template.template_id,
  };
  return createHash('sha256').update(JSON.stringify(shape)).digest('hex').slice(0, 32);
}
