import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { bzImage, elfKernel } from './testing/elf.ts';
import { scratchFolder } from '../artifacts/testing/scratch.ts';
import { extractVmlinux, kernelDefect, kernelRelease } from './vmlinux.ts';

const kernel = elfKernel();
const tool = (name: string, ...options: string[]): Buffer =>
  spawnSync(name, [...options, '-c'], { input: kernel }).stdout;

const images = {
  gzip: () => bzImage(gzipSync(kernel), null),
  zstd: () => bzImage(zstdCompressSync(kernel), kernel.length),
  xz: () => bzImage(tool('xz'), kernel.length),
  'legacy lz4': () => bzImage(tool('lz4', '-l'), kernel.length),
  'a compressed kernel without a boot header': () => gzipSync(kernel),
  'a plain kernel': () => kernel,
};

for (const [name, image] of Object.entries(images)) {
  test(`vmlinux out of ${name}`, async () => {
    await using scratch = await scratchFolder();
    assert.ok((await extractVmlinux(image(), join(scratch.folder, 'vmlinux'))).equals(kernel));
  });
}

test('a damaged image is an error, not a kernel', async () => {
  await using scratch = await scratchFolder();
  const image = bzImage(tool('xz').subarray(0, 60), kernel.length);
  await assert.rejects(extractVmlinux(image, join(scratch.folder, 'vmlinux')));
});

test('a kernel is judged by what a VMM needs of it', () => {
  assert.equal(kernelDefect(kernel, 62), null);
  assert.match(kernelDefect(elfKernel({ pvh: false }), 62) ?? '', /PVH/);
  assert.match(kernelDefect(elfKernel({ machine: 183 }), 62) ?? '', /another processor/);
  assert.match(kernelDefect(images.zstd(), 62) ?? '', /not a 64-bit/);
  assert.match(kernelDefect(Buffer.alloc(0), 62) ?? '', /not a 64-bit/);
  assert.match(kernelDefect(kernel.subarray(0, 130), 62) ?? '', /ELF|PVH/);
  assert.match(kernelDefect(Buffer.alloc(100), 183) ?? '', /arm64/);
});

test('the release is in the banner, not in its format string', () => {
  assert.equal(kernelRelease(kernel), '6.1.0-test');
  assert.equal(kernelRelease(Buffer.from('no kernel')), null);
});
