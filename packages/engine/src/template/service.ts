import type { EngineContext } from '../context.ts';
import type { TemplateService } from '../services.ts';
import { buildTemplate } from './build.ts';
import { inspectTemplate, listTemplates } from './inspect.ts';
import { removeTemplate } from './remove.ts';

/** Templates; each verb is a file beside this one. */
export function createTemplateService(context: EngineContext): TemplateService {
  return {
    list: () => listTemplates(context),
    inspect: (id) => inspectTemplate(context, id),
    build: (id, options = {}, call = {}) => buildTemplate(context, id, options, call),
    remove: (id) => removeTemplate(context, id),
  };
}
