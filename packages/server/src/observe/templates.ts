import type { TemplateService } from '@novasandbox/engine';
import { timed, type Observation } from './observation.ts';

export function observedTemplates(observation: Observation): TemplateService {
  const { engine, events } = observation;
  const { templates } = engine;
  return {
    ...templates,
    async build(id, options, context) {
      events.emit('template.building', null, { template: id });
      // A build ends with the snapshot that clones start from.
      const built = await timed(observation, 'snapshot', 'build', () => templates.build(id, options, context));
      events.emit('template.built', null, { template: id });
      return built;
    },
    remove: (id) => timed(observation, 'snapshot', 'delete', () => templates.remove(id)),
  };
}
