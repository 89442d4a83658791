import { NovaError, type ArchitectureName } from '@novasandbox/protocol';
import { guestArchitectures, hostArchitecture } from '../architecture.ts';
import type { EngineContext } from '../context.ts';
import { discardGoldenSnapshot } from '../golden/ensure.ts';
import { loadTemplate } from '../images/load-template.ts';
import { goldenSnapshotsOf } from '../golden/of-template.ts';

/**
 * Removes a template's root images and its snapshots, or with `only` those for one processor; template.json and the
 * files beside it stay, and so do images that the memory of snapshots knows. Idempotent.
 * @throws NovaError `invalid_state` while sandboxes use it, because their disks hold only the differences from the
 * image
 */
export async function removeTemplate(context: EngineContext, id: string, only?: ArchitectureName): Promise<void> {
  const wanted = only === undefined ? guestArchitectures().map(({ name }) => name) : [only];
  const images = await Promise.all(wanted.map((architecture) => loadTemplate(context.layout, id, architecture)));
  const users = context.store
    .listSandboxes()
    .filter(
      ({ config, hypervisor }) =>
        config.templateId === id &&
        context.drivers.get(hypervisor)?.features.virtualMachine !== false &&
        wanted.includes(config.architecture ?? hostArchitecture().name),
    );
  if (users.length > 0) {
    const names = users.slice(0, 5).map(({ name, id: sandboxId }) => name ?? sandboxId);
    const more = users.length > names.length ? ` and ${users.length - names.length} more` : '';
    throw new NovaError(
      'invalid_state',
      `The template "${id}" is used by ${users.length} sandbox${users.length === 1 ? '' : 'es'}: ${names.join(', ')}${more}.`,
      { hint: 'Remove them first with `nova rm`.', details: { sandboxes: users.map((user) => user.id) } },
    );
  }
  for (const digest of await goldenSnapshotsOf(context.layout, id, only)) await discardGoldenSnapshot(context, digest);
  const isNeeded = (sha256: string): boolean =>
    context.store.listSnapshots().some(({ kind, bootedFrom }) => kind === 'memory' && bootedFrom?.rootMark === sha256);
  for (const image of images) await context.images.removeRootImage(image, isNeeded);
}
