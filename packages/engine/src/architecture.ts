import { NovaError, type ArchitectureName } from '@novasandbox/protocol';

/** Everything that differs between guests of different processors. The names are Debian's, which OCI uses too. */
export interface Architecture {
  readonly name: ArchitectureName;
  /** Node's name for it. */
  readonly node: string;
  /** `e_machine` of its ELF files. */
  readonly elfMachine: number;
  /**
   * The tools with which hosts of another processor build for these guests. Null: the guests run only on hosts of their
   * own processor.
   */
  readonly cross: {
    /** Rust's name of the target. */
    readonly rustTarget: string;
    readonly linker: string;
    /** The Debian packages of the linker and of the libraries that it links. */
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
    /**
     * The processor model when it is emulated: everything QEMU knows, without the features that cost more than they are
     * worth.
     */
    readonly emulatedProcessor: string;
    /**
     * Virtio transports in the order in which Linux finds them: the first is for the channel, the next for the drives,
     * then the network.
     */
    readonly transports: readonly number[];
  };
  /** Kernel arguments: the console, and what makes the kernel power off or halt for good. */
  readonly kernelArguments: readonly string[];
}

const amd64: Architecture = {
  name: 'amd64',
  node: 'x64',
  elfMachine: 62,
  // An emulated microvm has to be told the frequency of its counter, which a host without such a counter cannot
  // provide.
  cross: null,
  qemu: {
    program: 'qemu-system-x86_64',
    package: 'qemu-system-x86',
    machine: 'microvm,acpi=on,rtc=on,pit=on,pic=on,ioapic2=on,isa-serial=on,x-option-roms=off',
    properties: [],
    // The default firmware is SeaBIOS. Since 1.16.3 it puts the ACPI tables where QEMU then loads the end of the
    // initramfs, and it needs option ROMs to find the kernel.
    firmware: 'qboot.rom',
    // Copying byte by byte (ERMS) is fast only on real processors: an emulated guest copies ten times as fast without
    // it. Linux assumes that FSRM, which newer versions of QEMU emulate, implies ERMS: with FSRM alone the kernel hangs
    // before /init.
    emulatedProcessor: 'max,erms=off,fsrm=off',
    // The transports of a machine with a second I/O APIC. Linux enumerates them from the last to the first.
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
    // The interrupt controller is the newest that the accelerator supports. Without ACPI, Linux reads the device tree,
    // which is faster.
    machine: 'virt,gic-version=max,acpi=off',
    properties: ['virtio-mmio.force-legacy=false'],
    firmware: null,
    // Signing pointers with the architecture's own algorithm makes an emulated kernel four times slower. An
    // implementation may use another algorithm.
    emulatedProcessor: 'max,pauth-impdef=on',
    transports: Array.from({ length: 32 }, (_, index) => index),
  },
  kernelArguments: ['console=ttyAMA0'],
};

export const architectures: Readonly<Record<ArchitectureName, Architecture>> = { amd64, arm64 };

/** The architecture of this host, which its guests have too unless they ask for another. */
export function hostArchitecture(): Architecture {
  const found = Object.values(architectures).find(({ node }) => node === process.arch);
  if (found === undefined) {
    throw new NovaError('set_up_failed', `There are no guests for the processor of this host (${process.arch}).`);
  }
  return found;
}

/** The architectures of the guests that this host can run, its own first. The others are emulated. */
export function guestArchitectures(): readonly Architecture[] {
  const own = hostArchitecture();
  return [own, ...Object.values(architectures).filter((each) => each !== own && each.cross !== null)];
}

/** The architecture of that name; default: the host's own. */
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
