import { isAtLeast } from '../../vmm/verdict.ts';

/** The options and commands in which versions of QEMU differ. */
export interface QemuDialect {
  /** Options that open the control socket, which is the character device `qmp`. */
  readonly monitor: readonly string[];
  /** Options that give QEMU the device state of a snapshot, which it inherits as descriptor `fd`. */
  state(fd: number): { readonly options: readonly string[]; readonly uri: string };
  /** More properties of memory that clones map from a snapshot's file. */
  readonly clonedMemory: string;
  /** Whether QEMU opens the memory of a snapshot read-only. */
  readonly readOnlyMemory: boolean;
}

/** The dialect that the oldest supported version understands. */
const oldest: QemuDialect = {
  monitor: ['-mon', 'chardev=qmp,mode=control'],
  state: (fd) => ({ options: [], uri: `fd:${fd}` }),
  clonedMemory: '',
  readOnlyMemory: false,
};

/** Descriptor sets of drives are numbered from 1 on; this one is far beyond them. */
const stateSet = 1000;

/** Changes of QEMU, oldest first. Each stays in force until a later row takes it back. */
export const changes: readonly {
  readonly from: string;
  readonly reason: string;
  readonly change: Partial<QemuDialect>;
}[] = [
  {
    from: '8.2',
    reason: 'A memory file can be opened for reading alone and still be RAM to the guest (`rom=off`).',
    change: { clonedMemory: ',readonly=on,rom=off', readOnlyMemory: true },
  },
  {
    from: '8.2',
    reason: 'State can be read from a file (`file:`); from 11.0 on `fd:` refuses a descriptor of one.',
    change: {
      state: (fd) => ({ options: ['-add-fd', `fd=${fd},set=${stateSet}`], uri: `file:/dev/fdset/${stateSet}` }),
    },
  },
  {
    from: '11.1',
    reason: 'Monitors are objects; `-mon` is deprecated.',
    change: { monitor: ['-object', 'monitor-qmp,id=control,chardev=qmp'] },
  },
];

/** Returns the dialect of a version of QEMU, such as 7.2.22. */
export function dialectOf(version: string): QemuDialect {
  return changes
    .filter(({ from }) => isAtLeast(version, from))
    .reduce((dialect, { change }) => ({ ...dialect, ...change }), oldest);
}
