import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

/**
 * Writes the code of the messages: `node packages/server/proto/generate.ts [folder]`. JavaScript with declarations,
 * because the generator's TypeScript has enums, which Node does not strip.
 */
const root = join(import.meta.dirname, '../../..');
const out = process.argv[2] ?? join(import.meta.dirname, '../src/proxy/agent/gen');
const bin = (name: string): string => join(root, 'node_modules/.bin', name);
// The package of the platform is used itself: the package that chooses between the platforms names some that not every
// registry has.
const buf = join(
  root,
  'node_modules/@bufbuild',
  `buf-linux-${process.arch === 'arm64' ? 'aarch64' : 'x64'}`,
  'bin/buf',
);
const template = {
  version: 'v2',
  plugins: [{ local: bin('protoc-gen-es'), out, opt: ['target=js+dts', 'import_extension=js'] }],
};
const { status } = spawnSync(buf, ['generate', '--template', JSON.stringify(template)], {
  cwd: import.meta.dirname,
  stdio: 'inherit',
});
process.exitCode = status ?? 1;
