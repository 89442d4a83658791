import type { Engine } from '@novasandbox/engine';
import type { ContinuedConfigInput, PolicyChoiceInput, SandboxConfigInput, SandboxInfo } from '@novasandbox/protocol';
import { toSandboxConfig, type SandboxOptions } from './args/sandbox-options.ts';
import { choosePolicy } from './args/policy.ts';
import { parseSecret } from './args/secret.ts';
import { toContinuedConfig, type SnapshotOptions } from './args/snapshot-options.ts';
import { UsageError } from './usage-error.ts';
import { copyVolumesIn, type Telling } from './volumes/copy-in.ts';
import { sortVolumes, withVolumes } from './volumes/sort.ts';
import type { Shown } from './with-progress.ts';

export interface MadeSandbox {
  readonly sandbox: SandboxInfo;
  /** Whether its guest writes to disk images of the host. */
  readonly writesDrives: boolean;
}

/** Makes the sandbox that the options ask for, or one that goes on from a snapshot. Nothing is left after an error. */
export async function makeSandbox(
  engine: Engine,
  options: SandboxOptions & SnapshotOptions,
  ephemeral: boolean,
  context: Shown,
  telling: Telling,
  /** Default: the one that the options ask for. */
  given?: PolicyChoiceInput,
): Promise<MadeSandbox> {
  const volumes = await sortVolumes(options.volume);
  const policy = given ?? (await choosePolicy(options));
  const governed = policy === undefined ? {} : { policy };
  const secrets = options.secret === undefined ? {} : { secrets: options.secret.map(parseSecret) };
  if (options.snapshot !== undefined) {
    if (options.secret !== undefined)
      throw new UsageError('--secret does not go with --snapshot: use "nova secret set" afterwards.');
    if (volumes.drives.length > 0) throw new UsageError('--snapshot does not go with a disk image as --volume.');
    if (volumes.named.length > 0 && options.diskOnly !== true)
      throw new UsageError('--snapshot goes with a volume only where it boots from the disk: add --disk-only.');
    const mounted = volumes.named.length === 0 ? {} : { volumes: volumes.named };
    const own = { ...toContinuedConfig(options), ...governed, ...mounted, ephemeral };
    const sandbox = await fromSnapshot(engine, options.snapshot, own, options.port, context);
    await copyVolumesIn(engine, sandbox, volumes.copies, context, telling);
    return { sandbox, writesDrives: false };
  }
  if (options.diskOnly === true) throw new UsageError('--disk-only is for --snapshot.');
  const config: SandboxConfigInput = withVolumes(
    { ...toSandboxConfig(options), ...governed, ...secrets, ephemeral },
    volumes,
  );
  const sandbox = await engine.sandboxes.create(config, context);
  await copyVolumesIn(engine, sandbox, volumes.copies, context, telling);
  return { sandbox, writesDrives: config.extraDrives?.some(({ readOnly }) => readOnly === false) ?? false };
}

async function fromSnapshot(
  engine: Engine,
  snapshot: string,
  own: ContinuedConfigInput,
  port: SandboxOptions['port'],
  context: Shown,
): Promise<SandboxInfo> {
  const sandbox = await engine.snapshots.create(snapshot, own, context);
  if (port === undefined || port.guestPort === sandbox.guestPort) return sandbox;
  await engine.sandboxes.remove(sandbox.id, { force: true });
  throw new UsageError(`--port: the guest's port is ${sandbox.guestPort}, as when the snapshot was taken.`);
}
