import { spawnSync } from 'node:child_process';
import { chmod, lstat, mkdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import { NovaError, toNovaError, type ProgressSink } from '@novasandbox/protocol';
import { throwIfAborted } from '../abort.ts';
import { CommandFailure, runCommand } from '../programs/command.ts';
import { withLock } from '../artifacts/lock.ts';
import { publish } from '../artifacts/publish.ts';
import { step, type StepUpdate } from '../artifacts/step.ts';
import { vmms } from '../drivers/registry.ts';
import type { Layout } from '../layout.ts';
import { currentVersion } from '../vmm/binary.ts';
import { versionIn, whyNotVersion } from '../vmm/versions.ts';
import { expectedDigest } from './checksum.ts';
import { download, maxBytes, type Network } from './download.ts';
import type { ReleaseName } from './release-names.ts';
import { assetOf, type ReleaseAsset } from './releases.ts';

export interface SetUpOptions extends Network {
  /** Default: the pinned one (releases.json). */
  readonly version?: string | undefined;
  /** The SHA-256 that the release's file must have, 64 hexadecimal digits. */
  readonly sha256?: string | undefined;
  readonly progress?: ProgressSink | undefined;
  /** The platform and architecture, as Node names them. Default: those of this machine. */
  readonly platform?: string | undefined;
  readonly architecture?: string | undefined;
}

const manifestFile = 'release.json';

/** The manifest beside the programs. */
const manifestSchema = z.strictObject({
  name: z.string(),
  version: z.string(),
  asset: z.string(),
  /** Digest of the asset, and where it came from. */
  sha256: z.string(),
  sha256From: z.enum(['option', 'pin', 'release page']),
  source: z.string(),
  programs: z.array(z.string()),
  installedAt: z.string(),
});

export interface InstalledVmm extends z.infer<typeof manifestSchema> {
  /** Folder of the programs. */
  readonly directory: string;
  /** False: it had already been installed. */
  readonly fetched: boolean;
}

/**
 * Installs a release of a VMM below the state folder, atomically, and makes it the one in use. It can be repeated: an
 * installed release is kept. After an error or an abort nothing is left.
 * @throws NovaError `download_failed`, `checksum_mismatch`, `feature_unsupported` (this machine), `invalid_argument` (a
 * version that cannot be used), `host_resource_exhausted` (the disk is full), `cancelled`
 */
export async function setUpVmm(layout: Layout, name: ReleaseName, options: SetUpOptions = {}): Promise<InstalledVmm> {
  const { platform = process.platform, architecture = process.arch, signal } = options;
  const asset = assetOf(name, versionOf(name, options.version), architecture);
  if (platform !== 'linux') {
    throw new NovaError('feature_unsupported', `${asset.title} runs on Linux only, and this is ${platform}.`, {
      hint: 'On macOS use vfkit (brew install vfkit) or QEMU (brew install qemu).',
    });
  }
  if (options.sha256 !== undefined && !/^[0-9a-f]{64}$/.test(options.sha256))
    throw new NovaError('invalid_argument', 'sha256: must be 64 hexadecimal digits, in lower case.');
  const directory = join(layout.vmmDirectory, name, asset.version);
  const lock = join(layout.workDirectory, `vmm-${name}.lock`);
  try {
    throwIfAborted(signal, 'before anything was fetched');
    await makePassable(layout.vmmDirectory, join(layout.vmmDirectory, name));
    return await withLock(lock, { signal }, async () => {
      const found = await readInstalled(directory);
      const keep = found !== null && (options.sha256 === undefined || options.sha256 === found.sha256);
      if (!keep)
        await step(options.progress, 'setup', `Fetching ${asset.title} ${asset.version}`, (update) =>
          publish(layout, `vmm-${name}`, async (work) => {
            await fill(work, asset, options, update);
            return directory;
          }),
        );
      await use(layout, name, asset.version);
      const installed = await readInstalled(directory);
      if (installed === null) throw new Error(`the new installation in ${directory} cannot be read`);
      return { ...installed, directory, fetched: !keep };
    });
  } catch (error) {
    throwIfAborted(signal, 'while a hypervisor was set up');
    throw toNovaError(error);
  }
}

function versionOf(name: ReleaseName, version: string | undefined): string | undefined {
  if (version === undefined) return undefined;
  const plain = version.replace(/^v/, '');
  // The version becomes part of paths and addresses.
  if (!/^\d{1,5}(\.\d{1,5}){1,2}$/.test(plain))
    throw new NovaError('invalid_argument', `version: "${version}" is no version such as 1.16.1.`);
  const facts = vmms.find((vmm) => vmm.name === name)?.versions;
  const why = facts === undefined ? null : whyNotVersion(facts, plain);
  if (why !== null) throw new NovaError('invalid_argument', `version: ${name} ${why}.`);
  return plain;
}

/** Fetches, checks, unpacks and tries out a release in an empty folder. */
async function fill(work: string, asset: ReleaseAsset, options: SetUpOptions, update: StepUpdate): Promise<void> {
  const { signal } = options;
  update('asking for its digest');
  const expected = await expectedDigest(asset, options.sha256, options);
  const source = `${mirror()}/${asset.repository}/releases/download/${asset.tag}/${asset.name}`;
  const file = join(work, 'asset');
  const sha256 = await download(source, file, options, update);
  if (sha256 !== expected.sha256) {
    throw new NovaError('checksum_mismatch', `${source} has the SHA-256 ${sha256}, but must have ${expected.sha256}.`);
  }
  const programs = await unpack(work, file, asset, signal);
  await rm(file, { force: true });
  for (const program of programs) await chmod(join(work, program), 0o755);
  tryOut(join(work, programs[0] ?? ''), asset);
  const manifest: z.infer<typeof manifestSchema> = {
    name: asset.release,
    version: asset.version,
    asset: asset.name,
    sha256,
    sha256From: expected.from,
    source,
    programs,
    installedAt: new Date().toISOString(),
  };
  await writeFile(join(work, manifestFile), `${JSON.stringify(manifest, null, 2)}\n`, { mode: 0o644 });
  await chmod(work, 0o755);
}

/** Names of the programs, which are then in `work`. Only the named members of an archive are unpacked. */
async function unpack(work: string, file: string, asset: ReleaseAsset, signal?: AbortSignal): Promise<string[]> {
  if (asset.members === null) {
    await rename(file, join(work, asset.release));
    return [asset.release];
  }
  const members = Object.values(asset.members);
  const folder = join(work, 'unpacked');
  await mkdir(folder, { mode: 0o700 });
  try {
    // Limits also the size to which a small archive unpacks.
    const bounded = ['prlimit', `--fsize=${maxBytes}`, '--', 'tar'] as const;
    const [program, ...rest] = [...bounded, '-xzf', file, '-C', folder, '--no-same-owner', '--', ...members];
    await runCommand(program, rest, { signal });
  } catch (error) {
    if (!(error instanceof CommandFailure)) throw error;
    const full = /no space/i.test(error.tail);
    throw new NovaError(
      full ? 'host_resource_exhausted' : 'set_up_failed',
      `${asset.name} could not be unpacked: ${error.tail}`,
      { cause: error },
    );
  }
  for (const [program, member] of Object.entries(asset.members)) {
    const unpacked = join(folder, member);
    // A link would cause another file of the host to be made executable, and run.
    if (!(await lstat(unpacked)).isFile())
      throw new NovaError('set_up_failed', `${asset.name} holds ${member}, which is no plain file.`);
    await rename(unpacked, join(work, program));
  }
  await rm(folder, { recursive: true });
  return Object.keys(asset.members);
}

/** The program must run on this machine, and report the expected name and version. */
function tryOut(program: string, asset: ReleaseAsset): void {
  const said = spawnSync(program, ['--version'], { encoding: 'utf8', timeout: 10_000 });
  const version = versionIn(said.stdout ?? '');
  if (version === asset.version) return;
  const told = said.error?.message ?? `${said.stdout} ${said.stderr}`.trim().slice(0, 200);
  throw new NovaError(
    'set_up_failed',
    version === null
      ? `${asset.title} ${asset.version} does not run on this machine: ${told}`
      : `${asset.name} is not version ${asset.version}: it says it is ${version}.`,
  );
}

/** The folder's manifest, or null where the folder is not whole. */
async function readInstalled(directory: string): Promise<z.infer<typeof manifestSchema> | null> {
  try {
    const manifest = manifestSchema.parse(JSON.parse(await readFile(join(directory, manifestFile), 'utf8')));
    const [program = ''] = manifest.programs;
    const { stdout } = spawnSync(join(directory, program), ['--version'], { encoding: 'utf8', timeout: 10_000 });
    return versionIn(stdout) === manifest.version ? manifest : null;
  } catch {
    return null;
  }
}

async function use(layout: Layout, name: ReleaseName, version: string): Promise<void> {
  const link = currentVersion(layout.vmmDirectory, name);
  const fresh = `${link}.new`;
  await rm(fresh, { force: true });
  await symlink(version, fresh);
  await rename(fresh, link);
}

/** VMMs run as users of their own, who must be able to pass through whatever the umask is. */
async function makePassable(...directories: string[]): Promise<void> {
  for (const directory of directories) {
    await mkdir(directory, { recursive: true });
    await chmod(directory, 0o755);
  }
}

function mirror(): string {
  const given = process.env['NOVA_MIRROR'];
  if (given === undefined || given === '') return 'https://github.com';
  if (!/^https?:\/\//.test(given) || !URL.canParse(given)) {
    throw new NovaError('invalid_argument', `NOVA_MIRROR: "${given}" is no http or https address.`);
  }
  return given.replace(/\/+$/, '');
}
