import { templateWireOf } from '@novasandbox/protocol/api';
import type { DaemonContext } from '../daemon-context.ts';
import type { JsonHandlers } from './call.ts';

export function templateHandlers({
  engine: { templates },
}: DaemonContext): Pick<JsonHandlers, 'listTemplates' | 'getTemplate' | 'buildTemplate' | 'deleteTemplate'> {
  return {
    listTemplates: async () => ({ templates: (await templates.list()).map(templateWireOf) }),
    getTemplate: async ({ params }) => templateWireOf(await templates.inspect(params.template_id)),
    // A build goes on when its client leaves: what it makes is for everyone.
    buildTemplate: async ({ params, body }) => templateWireOf(await templates.build(params.template_id, body)),
    deleteTemplate: ({ params }) => templates.remove(params.template_id),
  };
}
