// Written by build/write-field-documents.ts from the table of config fields, which lies beside it.
import type * as z from 'zod';
import type { sandboxConfigSchema } from './schema.ts';

type Input = z.input<typeof sandboxConfigSchema>;

/** The config of a sandbox. Everything has a default; sizes default to the template's. */
export interface SandboxConfigInput {
  /** Template that the sandbox is a clone of. */
  templateId?: Input['templateId'];
  /** Another name of `templateId`. */
  template?: Input['template'];
  /** OCI image that the sandbox is made of, in place of a template. */
  image?: Input['image'];
  /** Name of the sandbox, which works wherever its id does. */
  name?: Input['name'];
  /** Virtual CPUs of the guest. */
  vcpus?: Input['vcpus'];
  /** Memory of the guest, in MiB. */
  memoryMb?: Input['memoryMb'];
  /** Size of the writable disk, in MiB. */
  diskSizeMb?: Input['diskSizeMb'];
  /** Most processes and threads that the guest may hold at once. */
  maxProcesses?: Input['maxProcesses'];
  /** Environment variables of every command. */
  env?: Input['env'];
  /** User that commands run as. */
  user?: Input['user'];
  /** Labels, by which sandboxes can be listed. */
  labels?: Input['labels'];
  /** Time that the sandbox lives (0: no limit), in ms. */
  timeoutMs?: Input['timeoutMs'];
  /** What happens when the time to live ends: stop, pause, hibernate or hibernate-disk. */
  onTimeout?: Input['onTimeout'];
  /** Waking of the sandbox by the next command, file or port request when it is paused or hibernated. */
  autoResume?: Input['autoResume'];
  /** Removal of the sandbox as soon as it stops. */
  ephemeral?: Input['ephemeral'];
  /** A network, outbound by NAT; without it the guest has no network interface. */
  enableNetwork?: Input['enableNetwork'];
  /** Network policy, which says what the guest may reach: none, all, the name of a policy, or a policy itself. */
  policy?: Input['policy'];
  /** Private networks that the sandbox joins, by name. */
  networks?: Input['networks'];
  /** Secrets that the guest uses without having them. */
  secrets?: Input['secrets'];
  /** Port of 127.0.0.1 on the host that leads to a port of the guest. */
  hostPort?: Input['hostPort'];
  /** Port of the guest that the port of the host leads to. */
  guestPort?: Input['guestPort'];
  /** Most that the disk, and the network in each direction, may do in a second. */
  rateLimits?: Input['rateLimits'];
  /** A read-only root file system; /tmp and /run stay writable, in memory. */
  readOnlyRootfs?: Input['readOnlyRootfs'];
  /** An ext4, erofs or squashfs image as root file system; the sandbox then boots cold. */
  rootfsPath?: Input['rootfsPath'];
  /** More disk images, each mounted at a path; the sandbox then boots cold. */
  extraDrives?: Input['extraDrives'];
  /** Volumes, each mounted at a path. */
  volumes?: Input['volumes'];
  /** Firmware that boots the image of the root file system with the boot loader and kernel on it. */
  firmwarePath?: Input['firmwarePath'];
  /** Words to add to the kernel command line; the sandbox then boots cold. */
  kernelArgs?: Input['kernelArgs'];
  /** Hyper-V's interfaces, which Windows expects, for the guest; the sandbox then boots cold. */
  hyperv?: Input['hyperv'];
  /** Time that the start may take, in ms. */
  bootTimeoutMs?: Input['bootTimeoutMs'];
  /** Hypervisor to use; auto is the best that works and can do what is asked. */
  hypervisor?: Input['hypervisor'];
  /** Processor of the guest, amd64 or arm64; another than the one of the host is emulated. */
  architecture?: Input['architecture'];
}
