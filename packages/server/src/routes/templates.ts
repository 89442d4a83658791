import { templateWireOf } from '@novasandbox/protocol/api';
import type { JsonHandlers } from './call.ts';

export function templateHandlers(): Pick<
  JsonHandlers,
  'listTemplates' | 'getTemplate' | 'buildTemplate' | 'deleteTemplate'
> {
  return {
    listTemplates: async ({ engine }) => ({ templates: (await engine.templates.list()).map(templateWireOf) }),
    getTemplate: async ({ engine, params }) => templateWireOf(await engine.templates.inspect(params.template_id)),
    // A build continues when its client disconnects, because all callers use its result.
    buildTemplate: async ({ engine, params, body }) =>
      templateWireOf(await engine.templates.build(params.template_id, body)),
    deleteTemplate: ({ engine, params }) => engine.templates.remove(params.template_id),
  };
}
