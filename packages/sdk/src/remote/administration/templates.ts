import type { TemplateService } from '@novasandbox/engine/services';
import { templateOfWire } from '@novasandbox/protocol/api';
import type { HttpClient } from '../http.ts';

/** Templates over the daemon. The contract reports neither their paths there nor the progress of a build. */
export function createRemoteTemplates(http: HttpClient): TemplateService {
  return {
    list: async () => (await http.call('listTemplates', {})).templates.map(templateOfWire),
    inspect: async (id) => templateOfWire(await http.call('getTemplate', { template_id: id })),
    async build(id, options = {}, context) {
      const { force = false, architecture, image } = options;
      const body = {
        force,
        ...(architecture === undefined ? {} : { architecture }),
        ...(image === undefined ? {} : { image }),
      };
      const how = { body, signal: context?.signal, timeoutMs: 0 };
      return templateOfWire(await http.call('buildTemplate', { template_id: id }, how));
    },
    async remove(id) {
      await http.call('deleteTemplate', { template_id: id });
    },
  };
}
