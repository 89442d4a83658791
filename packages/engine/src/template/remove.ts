import { NovaError, type ArchitectureName } from '@novasandbox/protocol';
import { guestArchitectures, hostArchitecture } from '../architecture.ts';
import type { EngineContext } from '../context.ts';
import { discardGoldenSnapshot } from '../golden/ensure.ts';
import { loadTemplate, templateIds } from '../images/load-template.ts';
import type { LoadedTemplate } from '../ports/image-source.ts';
import { isMadeOfImage, removeDeclared } from '../images/declared.ts';
import { goldenSnapshotsOf } from '../golden/of-template.ts';

/**
 * Removes what was built of a template. One that was made by naming an image goes as a whole; of others template.json
 * and the files beside it stay.
 * @throws NovaError as `removeBuilt` does, and `invalid_state` while snapshots need a template that would go
 */
export async function removeTemplate(context: EngineContext, id: string): Promise<void> {
  const goes = isMadeOfImage(context.layout, await loadTemplate(context.layout, id));
  const snapshots = goes ? context.store.listSnapshots().filter(({ config }) => config.templateId === id) : [];
  if (snapshots.length > 0) {
    throw new NovaError(
      'invalid_state',
      `The template "${id}" is needed by ${snapshots.length} snapshot${snapshots.length === 1 ? '' : 's'}.`,
      { hint: 'Remove them first with `nova snapshot rm`.', details: { snapshots: snapshots.map((each) => each.id) } },
    );
  }
  await removeBuilt(context, id);
  if (goes) await removeDeclared(context.layout, id);
}

/**
 * Removes a template's root images and its snapshots, or with `only` those for one processor; images that the memory
 * of snapshots knows stay. Forgets what the name of its OCI image led to. Idempotent.
 * @throws NovaError `invalid_state` while sandboxes use it, because their disks hold only the differences from the
 * image
 */
export async function removeBuilt(context: EngineContext, id: string, only?: ArchitectureName): Promise<void> {
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
  const others = await othersWithImage(context, id, images);
  for (const image of images) {
    // Templates of the same layers have one root image.
    if (!others.has(image)) await context.images.removeRootImage(image, isNeeded);
    await context.images.forgetImage(image);
  }
}

/** Those of the templates' root images that another template has too. */
async function othersWithImage(
  context: EngineContext,
  id: string,
  images: readonly LoadedTemplate[],
): Promise<ReadonlySet<LoadedTemplate>> {
  const shared = new Set<LoadedTemplate>();
  for (const image of images) {
    if (image.template.source.type !== 'oci') continue;
    const digest = (await context.images.builtRootImage(image))?.digest;
    for (const other of digest === undefined ? [] : await templateIds(context.layout)) {
      if (other === id) continue;
      const loaded = await loadTemplate(context.layout, other, image.architecture).catch(() => null);
      if (loaded !== null && (await context.images.builtRootImage(loaded))?.digest === digest) shared.add(image);
    }
  }
  return shared;
}
