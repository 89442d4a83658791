import { parse, sandboxConfigSchema, type ArchitectureName, type TemplateInfo } from '@novasandbox/protocol';
import { guestArchitecture } from '../architecture.ts';
import type { EngineContext } from '../context.ts';
import { withDeclared } from '../images/declared.ts';
import { guestImages } from '../guest/guest-spec.ts';
import { planSandbox } from '../guest/plan.ts';
import type { BuildContext } from '../services.ts';
import { ensureGoldenSnapshot } from '../golden/ensure.ts';
import { canClone, shapeDigest } from '../golden/shape.ts';
import { inspectTemplate } from './inspect.ts';

import { removeBuilt } from './remove.ts';

export interface BuildOptions {
  /** Rebuilds the root image with today's packages. Default: makes only what is missing. */
  readonly force?: boolean;
  /** The processor of the guests; default: the host's own. */
  readonly architecture?: ArchitectureName | undefined;
  /** Makes the template of this OCI image, or gives it to a template that was made so. */
  readonly image?: string | undefined;
}

/**
 * Makes everything that a sandbox of this template with default settings needs, so that the first one is as quick as
 * any other. With `image` the template is made too, and is not there after an error.
 */
export async function buildTemplate(
  context: EngineContext,
  id: string,
  { image, ...options }: BuildOptions,
  call: BuildContext,
): Promise<TemplateInfo> {
  const build = (): Promise<TemplateInfo> => buildParts(context, id, options, call);
  return image === undefined ? build() : withDeclared(context.layout, id, image, build);
}

async function buildParts(
  context: EngineContext,
  id: string,
  { force = false, architecture }: Omit<BuildOptions, 'image'>,
  call: BuildContext,
): Promise<TemplateInfo> {
  if (force) await removeBuilt(context, id, guestArchitecture(architecture).name);
  const config = parse(sandboxConfigSchema, { templateId: id, architecture }, 'template');
  const plan = await planSandbox(context, config, call);
  const images = await guestImages(context, plan.template, call);
  if (canClone(config, plan)) {
    const shape = { config, plan, images };
    await ensureGoldenSnapshot(context, await shapeDigest(shape), shape, call);
  }
  return inspectTemplate(context, id);
}
