import {
  layoutAt,
  prepareLayout,
  step,
  uniqueIdentity,
  type AttachedProcess,
  type CallOptions,
  type ExecRequest,
  type GuestAgent,
  type ImageOptions,
} from '@novasandbox/engine';
import { limits, NovaError, parse } from '@novasandbox/protocol';
import { z } from 'zod';
import { findBrought, type Brought } from './brought.ts';
import { broughtIn, checkoutIn, labDisks, nodeIn } from './disks.ts';
import { bootMachine } from './machine.ts';
import { labParts } from './parts.ts';
import { inRunFolder } from './run-folder.ts';

const sizeSchema = z.object({
  /** Memory of the lab in MiB; its own system takes some 200. */
  memoryMb: z.int().min(512).max(limits.maxMemoryMb),
  /** The most CPUs that q35 supports. */
  vcpus: z.int().min(1).max(255),
});

export interface LabOptions extends ImageOptions {
  readonly memoryMb: number;
  readonly vcpus: number;
}

/** A Linux VM with a /dev/kvm that works for programs in it, with this checkout and everything that it needs to run. */
export interface Lab {
  /** Starts a command by the agent, in the checkout. */
  exec(request: ExecRequest, options?: CallOptions): Promise<AttachedProcess>;
}

/**
 * Boots the lab under QEMU's emulation of a processor with AMD's SVM, passes it to `use`, and ends it. It leaves
 * nothing behind, and no program in it can change this host.
 * @throws NovaError `set_up_failed` and other errors of its parts, `boot_failed`, `guest_unreachable` when its
 * machine ends early, `cancelled`
 */
export async function inLab<T>(options: LabOptions, use: (lab: Lab) => Promise<T>): Promise<T> {
  const { signal, progress } = options;
  const { memoryMb, vcpus } = parse(sizeSchema, { memoryMb: options.memoryMb, vcpus: options.vcpus }, 'lab');
  if (process.arch !== 'x64' || process.platform !== 'linux')
    throw new NovaError('set_up_failed', 'The lab emulates an x86 machine for programs of an x86 Linux host.');
  const layout = layoutAt();
  const brought = findBrought(layout);
  prepareLayout(layout);
  const parts = await labParts(layout, { signal, progress });
  return inRunFolder(layout, signal, async (directory) => {
    const disks = await step(progress, 'lab-disks', 'Disks of the lab', () =>
      labDisks({ layout, directory, signal }, parts, brought),
    );
    await using undo = new AsyncDisposableStack();
    const { agent, explain } = await step(progress, 'lab-boot', 'Booting the lab', () =>
      bootMachine(undo, {
        ...{ directory, disks, memoryMb, vcpus, signal },
        ...{ kernel: parts.kernel.path, initramfs: parts.initramfs.path },
      }),
    );
    try {
      await agent.configure({ ...uniqueIdentity('lab'), env: environment(brought) });
      await openKvm(agent);
      return await use({
        exec: (request, call) => agent.exec({ cwd: checkoutIn, ...request }, call),
      });
    } catch (error) {
      throw await explain(error);
    }
  });
}

function environment(brought: readonly Brought[]): Record<string, string> {
  return {
    PATH: `${nodeIn}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin`,
    NOVA_NO_SETUP: '1',
    // Firecracker asks KVM for XSAVE, which QEMU emulates badly for guests: some guests hang there.
    NOVA_GUEST_KERNEL_ARGS: 'noxsave',
    ...Object.fromEntries(brought.map(({ name, variable }) => [variable, `${broughtIn}/${name}`])),
  };
}

/** Opens /dev/kvm to every user, as desktop distributions do, because VMMs run as users of their own. */
async function openKvm(agent: GuestAgent): Promise<void> {
  await using attached = await agent.exec({ argv: ['chmod', '0666', '/dev/kvm'] });
  for await (const _ of attached.output);
  const { exitCode } = await attached.exit;
  if (exitCode !== 0)
    throw new NovaError('boot_failed', 'The lab has no /dev/kvm: its kernel does not support the emulated processor.');
}
