import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { architectures, hostArchitecture, layoutAt } from '@novasandbox/engine';

const suite = 'sid';
/** Where the dynamic linker of Debian's packages lies, by processor. */
const linkers = {
  amd64: 'usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2',
  arm64: 'usr/lib/aarch64-linux-gnu/ld-linux-aarch64.so.1',
};
/** Debian's folders of firmware. */
const firmware = ['usr/share/qemu', 'usr/share/seabios'];
/** Against a network that hangs alone. */
const unpackTimeoutMs = 600_000;

/**
 * Puts the newest QEMU that Debian serves first into this process's PATH, where all that it starts finds it too. It is unpacked beside the host's own,
 * with the libraries that it needs, and kept for the next test run; nothing is installed.
 */
export async function useNewestQemu(): Promise<void> {
  const toolchain = join(layoutAt().home, 'toolchain');
  const programs = join(toolchain, `qemu-${suite}`, 'programs');
  if (!existsSync(programs)) await unpack(toolchain);
  process.env['PATH'] = `${programs}${delimiter}${process.env['PATH'] ?? ''}`;
}

async function unpack(toolchain: string): Promise<void> {
  const own = hostArchitecture();
  await mkdir(toolchain, { recursive: true });
  const work = await mkdtemp(join(toolchain, 'unpacking-'));
  try {
    // VMMs run as users of their own, who must be able to pass through.
    await chmod(work, 0o755);
    const tree = join(work, 'tree');
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
    // Absolute paths, as the scripts will be found there.
    const home = join(toolchain, `qemu-${suite}`, 'tree');
    const programs = join(work, 'programs');
    await mkdir(programs);
    const libraries = join(home, linkers[own.name], '..');
    const words = [
      join(home, linkers[own.name]),
      `--library-path ${libraries}:${join(home, 'usr/lib')}`,
      join(home, 'usr/bin', architectures[own.name].qemu.program),
      ...firmware.map((folder) => `-L ${join(home, folder)}`),
      '"$@"',
    ];
    await writeFile(join(programs, own.qemu.program), `#!/bin/sh\nexec ${words.join(' ')}\n`, { mode: 0o755 });
    await rm(join(toolchain, `qemu-${suite}`), { recursive: true, force: true });
    await rename(work, join(toolchain, `qemu-${suite}`));
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}
