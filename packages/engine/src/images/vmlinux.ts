import { readFile, writeFile } from 'node:fs/promises';
import { gunzipSync, zstdDecompressSync } from 'node:zlib';
import { runCommand } from '../programs/command.ts';
import { readElf } from './elf.ts';

export type Compression = 'gzip' | 'xz' | 'zstd' | 'lz4' | 'none';

/** How a file is compressed, by its first bytes. LZ4 is the kernel's legacy frame. */
function compressionOf(head: Buffer): Compression {
  const magic = head.subarray(0, 6).toString('hex');
  if (magic.startsWith('1f8b')) return 'gzip';
  if (magic === 'fd377a585a00') return 'xz';
  if (magic.startsWith('28b52ffd')) return 'zstd';
  if (magic.startsWith('02214c18') || magic.startsWith('04224d18')) return 'lz4';
  return 'none';
}

/** Decompresses a buffer. Node lacks xz and lz4, so their tools are run on a file at `scratch`, a free path. */
export async function decompress(data: Buffer, scratch: string, signal?: AbortSignal): Promise<Buffer> {
  const compression = compressionOf(data);
  switch (compression) {
    case 'none':
      return data;
    case 'gzip':
      return gunzipSync(data);
    case 'zstd':
      return zstdDecompressSync(data);
    case 'xz':
    case 'lz4': {
      const packed = `${scratch}.${compression}`;
      await writeFile(packed, data);
      await runCommand(compression, ['-d', '-f', '-k', '-q', packed, ...(compression === 'lz4' ? [scratch] : [])], {
        signal,
      });
      return readFile(scratch);
    }
  }
}

/**
 * The uncompressed kernel in a distribution's kernel image: the payload of an x86 bzImage, a compressed arm64 Image, or
 * the file itself where it is not compressed.
 * @param scratch a free file name, for the tools
 */
export async function extractVmlinux(image: Buffer, scratch: string, signal?: AbortSignal): Promise<Buffer> {
  return decompress(bzImagePayload(image) ?? image, scratch, signal);
}

/** Fields of the x86 boot protocol (Documentation/arch/x86/boot.rst), from version 2.08 on. */
function bzImagePayload(image: Buffer): Buffer | null {
  if (image.length < 0x250 || image.toString('latin1', 0x202, 0x206) !== 'HdrS') return null;
  if (image.readUInt16LE(0x206) < 0x208) return null;
  const sectors = image.readUInt8(0x1f1) || 4;
  const start = (sectors + 1) * 512 + image.readUInt32LE(0x248);
  const payload = image.subarray(start, start + image.readUInt32LE(0x24c));
  // The kernel's build appends the uncompressed size, which decompressors refuse. Gzip is the exception, because its
  // format ends with that size.
  return compressionOf(payload) === 'gzip' ? payload : payload.subarray(0, -4);
}

/**
 * Why QEMU, Firecracker and Cloud Hypervisor could not boot that kernel on that machine type, or null when they can.
 */
export function kernelDefect(kernel: Buffer, elfMachine: number): string | null {
  if (elfMachine === 183) return arm64ImageDefect(kernel);
  const elf = readElf(kernel);
  if (elf === null) return 'it is not a 64-bit little-endian ELF file (a vmlinux, not a bzImage, is needed)';
  if (elf.machine !== elfMachine) return `it is for another processor (ELF machine ${elf.machine})`;
  if (!elf.notes.some(({ owner, type }) => owner === 'Xen' && type === pvhEntry)) {
    return 'it has no PVH entry (CONFIG_PVH)';
  }
  return null;
}

/** XEN_ELFNOTE_PHYS32_ENTRY: the address at which a VMM may enter the kernel directly. */
const pvhEntry = 18;

function arm64ImageDefect(kernel: Buffer): string | null {
  return kernel.length > 64 && kernel.toString('latin1', 56, 60) === 'ARM\x64' ? null : 'it is not an arm64 Image';
}

/** The release in the kernel's banner, such as `6.1.0-56-cloud-amd64`; null where there is none. */
export function kernelRelease(kernel: Buffer): string | null {
  const marker = 'Linux version ';
  for (let at = kernel.indexOf(marker); at !== -1; at = kernel.indexOf(marker, at + 1)) {
    const release = /^\d+\.\d+[^\s%]*/.exec(kernel.toString('latin1', at + marker.length, at + marker.length + 64));
    if (release !== null) return release[0];
  }
  return null;
}
