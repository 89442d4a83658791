import type { Services } from '../context.ts';
import { observedExec } from './exec.ts';
import { observedFiles } from './files.ts';
import type { Observation } from './observation.ts';
import { observedSandboxes } from './sandboxes.ts';
import { observedTemplates } from './templates.ts';

/**
 * The engine as the daemon offers it: the same services, with the configured limits kept, and everything that happens told to events,
 * metrics and the idle clock. Whatever speaks to it - REST, the E2B API, the proxy - is observed alike.
 */
export function observedEngine(observation: Observation): Services {
  return {
    sandboxes: observedSandboxes(observation),
    exec: observedExec(observation),
    files: observedFiles(observation),
    templates: observedTemplates(observation),
  };
}
