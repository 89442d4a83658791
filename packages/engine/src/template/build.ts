import { parse, sandboxConfigSchema, type ArchitectureName, type TemplateInfo } from '@novasandbox/protocol';
import { guestArchitecture } from '../architecture.ts';
import type { EngineContext } from '../context.ts';
import { guestImages } from '../guest/guest-spec.ts';
import { planSandbox } from '../guest/plan.ts';
import type { BuildContext } from '../services.ts';
import { ensureGoldenSnapshot } from '../golden/ensure.ts';
import { canClone, shapeDigest } from '../golden/shape.ts';
import { inspectTemplate } from './inspect.ts';
import { removeTemplate } from './remove.ts';

export interface BuildOptions {
  /** Rebuilds the root image with today's packages. Default: makes only what is missing. */
  readonly force?: boolean;
  /** The processor of the guests; default: the host's own. */
  readonly architecture?: ArchitectureName | undefined;
}

/**
 * Makes everything that a sandbox of this template with default settings needs, so that the first one is as quick as
 * any other.
 */
export async function buildTemplate(
  context: EngineContext,
  id: string,
  { force = false, architecture }: BuildOptions,
  call: BuildContext,
): Promise<TemplateInfo> {
  if (force) await removeTemplate(context, id, guestArchitecture(architecture).name);
  const config = parse(sandboxConfigSchema, { templateId: id, architecture }, 'template');
  const plan = await planSandbox(context, config, call);
  const images = await guestImages(context, plan.template, call);
  if (canClone(config, plan)) {
    const shape = { config, plan, images };
    await ensureGoldenSnapshot(context, await shapeDigest(shape), shape, call);
  }
  return inspectTemplate(context, id);
}
