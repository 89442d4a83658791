import { parse, sandboxConfigSchema, type ArchitectureName, type TemplateInfo } from '@novasandbox/protocol';
import { guestArchitecture } from '../architecture.ts';
import type { EngineContext } from '../context.ts';
import { guestImages } from '../sandbox/guest-spec.ts';
import { planSandbox } from '../sandbox/plan.ts';
import type { BuildContext } from '../services.ts';
import { ensureSnapshot } from '../snapshot/make.ts';
import { canClone, shapeDigest } from '../snapshot/shape.ts';
import { inspectTemplate } from './inspect.ts';
import { removeTemplate } from './remove.ts';

export interface BuildOptions {
  /** Builds the root image anew, with today's packages. Default: only what is missing. */
  readonly force?: boolean;
  /** The processor of the guests; default: the host's own. */
  readonly architecture?: ArchitectureName | undefined;
}

/** Makes all that a sandbox of this template with default settings needs, so that the first one is as quick as any other. */
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
    await ensureSnapshot(context, await shapeDigest(config, plan, images), config, plan, images, call);
  }
  return inspectTemplate(context, id);
}
