import type { TemplateService } from '@novasandbox/engine';
import { timed, type Observation } from './observation.ts';

export function observedTemplates(observation: Observation): TemplateService {
  const { engine, events } = observation;
  const { templates } = engine;
  return {
    ...templates,
    async build(id, options, context) {
      events.emit('template.building', null, { template: id });
      const built = await timed(observation, 'template', 'build', () => templates.build(id, options, context));
      events.emit('template.built', null, { template: id });
      return built;
    },
    remove: (id) => timed(observation, 'template', 'delete', () => templates.remove(id)),
  };
}
