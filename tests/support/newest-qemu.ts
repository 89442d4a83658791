import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { hostArchitecture, layoutAt } from '@novasandbox/engine';

const suite = 'sid';
/** Path of the dynamic linker in Debian's packages, by processor. */
const linkers = {
  amd64: 'usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2',
  arm64: 'usr/lib/aarch64-linux-gnu/ld-linux-aarch64.so.1',
};
/** Debian's folders of firmware. */
const firmware = ['usr/share/qemu', 'usr/share/seabios'];
/** Beside the folders of libraries and data, where VMMs find them in their private root. */
const programFolder = 'usr/qemu';
/** Only against a network that hangs. */
const unpackTimeoutMs = 600_000;

/**
 * Puts the newest QEMU that Debian serves first into this process's PATH, which everything that it starts inherits. It
 * is unpacked beside the host's own, with the libraries that it needs, and kept for the next test run; nothing is
 * installed.
 */
export async function useNewestQemu(): Promise<void> {
  const toolchain = join(layoutAt().home, 'toolchain');
  const programs = join(toolchain, `qemu-${suite}`, programFolder);
  if (!existsSync(programs)) await unpack(toolchain);
  process.env['PATH'] = `${programs}${delimiter}${process.env['PATH'] ?? ''}`;
}

async function unpack(toolchain: string): Promise<void> {
  const own = hostArchitecture();
  await mkdir(toolchain, { recursive: true });
  const work = await mkdtemp(join(toolchain, 'unpacking-'));
  try {
    const tree = join(work, 'tree');
    const { program } = own.qemu;
    await promisify(execFile)(
      'mmdebstrap',
      [
        '--variant=extract',
        `--include=${own.qemu.package}`,
        '--aptopt=APT::Install-Recommends "false"',
        // A mirror may lag behind by more than a signature is valid for.
        '--aptopt=Acquire::Check-Valid-Until "false"',
        suite,
        tree,
      ],
      { timeout: unpackTimeoutMs, maxBuffer: 1 << 26 },
    );
    // VMMs run as users of their own, who must be able to pass through.
    await chmod(tree, 0o755);
    // Absolute paths, at which the scripts will be found.
    const home = join(toolchain, `qemu-${suite}`);
    const programs = join(tree, programFolder);
    await mkdir(programs);
    await rename(join(tree, 'usr/bin', program), join(programs, `${program}.unpacked`));
    const libraries = join(home, linkers[own.name], '..');
    const words = [
      join(home, linkers[own.name]),
      `--library-path ${libraries}:${join(home, 'usr/lib')}`,
      join(home, programFolder, `${program}.unpacked`),
      ...firmware.map((folder) => `-L ${join(home, folder)}`),
      '"$@"',
    ];
    await writeFile(join(programs, program), `#!/bin/sh\nexec ${words.join(' ')}\n`, { mode: 0o755 });
    await rm(join(toolchain, `qemu-${suite}`), { recursive: true, force: true });
    await rename(tree, join(toolchain, `qemu-${suite}`));
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}
