import { observedExec } from './exec.ts';
import { observedFiles } from './files.ts';
import type { FoundServices } from './found.ts';
import type { Observation } from './observation.ts';
import { observedPolicies } from './network.ts';
import { observedSandboxes } from './sandboxes.ts';
import { observedSnapshots } from './snapshots.ts';
import { observedTemplates } from './templates.ts';
import { observedVolumes } from './volumes.ts';

/**
 * Wraps the engine: enforces the configured limits and reports every call to events, metrics and the idle clock. Calls
 * from REST, the E2B API and the proxy are observed alike.
 */
export function observedEngine(observation: Observation): FoundServices {
  return {
    sandboxes: observedSandboxes(observation),
    exec: observedExec(observation),
    files: observedFiles(observation),
    snapshots: observedSnapshots(observation),
    pool: observation.engine.pool,
    templates: observedTemplates(observation),
    volumes: observedVolumes(observation),
    networks: observation.engine.networks,
    policies: observedPolicies(observation),
    storage: observation.engine.storage,
  };
}
