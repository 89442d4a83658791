import { NovaError, type ArchitectureName } from '@novasandbox/protocol';

/** All that differs between guests of one processor and another. The names are Debian's, which are OCI's too. */
export interface Architecture {
  readonly name: ArchitectureName;
  /** Node's name for it. */
  readonly node: string;
  /** `e_machine` of its ELF files. */
  readonly elfMachine: number;
  /** What hosts of another processor make its guests with. Null: its guests run on hosts of their own processor alone. */
  readonly cross: {
    /** Rust's name of the target. */
    readonly rustTarget: string;
    readonly linker: string;
    /** The Debian packages that the linker and what it links come from. */
    readonly packages: readonly string[];
  } | null;
  readonly qemu: {
    readonly program: string;
    /** The Debian package it comes from. */
    readonly package: string;
    readonly machine: string;
    readonly properties: readonly string[];
    /** Firmware that loads the kernel, from QEMU's own folder; null where QEMU does that itself. */
    readonly firmware: string | null;
    /** The processor where it is emulated: everything QEMU knows, but for what costs more than it is worth. */
    readonly emulatedProcessor: string;
    /** Virtio transports in the order Linux finds them: first comes the channel, then the drives, then the network. */
    readonly transports: readonly number[];
  };
  /** Words for the kernel: its console, and what makes it end for good. */
  readonly kernelArguments: readonly string[];
}

const amd64: Architecture = {
  name: 'amd64',
  node: 'x64',
  elfMachine: 62,
  // Emulated, a microvm has to be told how fast its counter runs, which a host without such a counter cannot tell.
  cross: null,
  qemu: {
    program: 'qemu-system-x86_64',
    package: 'qemu-system-x86',
    machine: 'microvm,acpi=on,rtc=on,pit=on,pic=on,ioapic2=on,isa-serial=on,x-option-roms=off',
    properties: [],
    // SeaBIOS, the default, since 1.16.3 lays the ACPI tables where QEMU then loads the end of the initramfs, and needs option ROMs to find the kernel.
    firmware: 'qboot.rom',
    // Copying by single bytes (ERMS) is fast on real processors alone: an emulated guest copies ten times as fast without.
    // Linux takes FSRM, which newer versions of QEMU emulate, for a promise of ERMS: without it the kernel hangs before /init.
    emulatedProcessor: 'max,erms=off,fsrm=off',
    // Those of the machine with its second I/O APIC. Linux goes through them from the last to the first.
    transports: Array.from({ length: 24 }, (_, index) => 23 - index),
  },
  kernelArguments: ['console=ttyS0', 'reboot=t'],
};

const arm64: Architecture = {
  name: 'arm64',
  node: 'arm64',
  elfMachine: 183,
  cross: {
    rustTarget: 'aarch64-unknown-linux-gnu',
    linker: 'aarch64-linux-gnu-gcc',
    packages: ['gcc-aarch64-linux-gnu', 'libc6-dev-arm64-cross'],
  },
  qemu: {
    program: 'qemu-system-aarch64',
    package: 'qemu-system-arm',
    // The interrupt controller is the newest that the accelerator has. Without ACPI Linux reads the device tree, which takes it less time.
    machine: 'virt,gic-version=max,acpi=off',
    properties: ['virtio-mmio.force-legacy=false'],
    firmware: null,
    // Signing pointers as the architecture defines it makes an emulated kernel four times slower; it may be done otherwise.
    emulatedProcessor: 'max,pauth-impdef=on',
    transports: Array.from({ length: 32 }, (_, index) => index),
  },
  kernelArguments: ['console=ttyAMA0'],
};

export const architectures: Readonly<Record<ArchitectureName, Architecture>> = { amd64, arm64 };

/** The architecture of this host: that of its guests unless they ask for another. */
export function hostArchitecture(): Architecture {
  const found = Object.values(architectures).find(({ node }) => node === process.arch);
  if (found === undefined) {
    throw new NovaError('set_up_failed', `There are no guests for the processor of this host (${process.arch}).`);
  }
  return found;
}

/** Those of which this host can have guests, its own first. The others are emulated. */
export function guestArchitectures(): readonly Architecture[] {
  const own = hostArchitecture();
  return [own, ...Object.values(architectures).filter((each) => each !== own && each.cross !== null)];
}

/** The architecture of that name; default: this host's own. */
export function guestArchitecture(name: ArchitectureName = hostArchitecture().name): Architecture {
  const found = guestArchitectures().find((each) => each.name === name);
  if (found === undefined) {
    throw new NovaError(
      'feature_unsupported',
      `Guests for ${name} cannot run on this host, which is ${hostArchitecture().name}.`,
    );
  }
  return found;
}
