import type { Route } from '@novasandbox/protocol/api';

/** A part of the API that the engine cannot do yet. */
interface Part {
  readonly name: string;
  readonly calls: readonly (readonly [method: Route['method'], path: string, does: string])[];
}

/**
 * The addresses that answer `not_implemented`. When an address works, it is removed here and becomes a route of the
 * table (`packages/protocol/src/api/routes`). Paths are below `/api/v1`; docs/not-yet.md is written from this.
 */
export const notYet: readonly Part[] = [
  {
    name: 'changing the size of VMs by their load',
    calls: [
      ['GET', '/resources/recommendations', 'Sizes that would fit VMs better'],
      ['GET', '/resources/auto-scale', 'Whether VMs are given more or less by their load'],
      ['PUT', '/resources/auto-scale', 'Give VMs more or less by their load'],
      ['GET', '/resources/optimization', 'Whether unused memory is taken back'],
      ['PUT', '/resources/optimization', 'Take unused memory back, or not'],
      ['GET', '/vms/{id}/autoscale', 'Autoscale settings'],
      ['PUT', '/vms/{id}/autoscale', 'Change autoscale settings'],
    ],
  },
  {
    name: 'Windows guests',
    calls: [
      ['POST', '/vms/windows', 'Create a Windows VM'],
      ['GET', '/vms/{id}/guest/services', 'Services of a Windows guest'],
      ['POST', '/vms/{id}/guest/event-logs', 'Event logs of a Windows guest'],
    ],
  },
  {
    name: "settings of the host's networks",
    calls: [
      ['POST', '/network/setup', 'Set networking up'],
      ['POST', '/network/teardown', 'Tear networking down'],
    ],
  },
  {
    name: 'quotas',
    calls: [
      ['GET', '/resources/quotas', 'Quotas'],
      ['PUT', '/resources/quotas/{username}', 'Set a quota'],
    ],
  },
  {
    name: 'clusters',
    calls: [
      ['GET', '/cluster/status', 'Cluster status'],
      ['GET', '/cluster/instances', 'Instances'],
      ['GET', '/cluster/instances/healthy', 'Instances that are well'],
      ['POST', '/cluster/scale', 'Scale'],
      ['GET', '/cluster/load-balancing', 'How load is spread'],
      ['PUT', '/cluster/load-balancing', 'Change how load is spread'],
      ['GET', '/cluster/metrics', 'What the instances use'],
    ],
  },
  {
    name: 'the audit log, scans, compliance reports and policies',
    calls: [
      ['GET', '/security/audit', 'Audit log'],
      ['GET', '/security/audit/report', 'Audit report'],
      ['GET', '/security/audit/statistics', 'Audit statistics'],
      ['POST', '/security/scan', 'Vulnerability scan'],
      ['GET', '/security/compliance', 'Compliance report'],
      ['GET', '/security/policies', 'Security policies'],
      ['POST', '/security/policies', 'Make a security policy'],
      ['DELETE', '/security/policies/{policy}', 'Remove a security policy'],
    ],
  },
  {
    name: 'desktops',
    calls: [
      ['POST', '/vms/{id}/desktop/start', 'Start a desktop'],
      ['POST', '/vms/{id}/desktop/stop', 'Stop a desktop'],
      ['GET', '/vms/{id}/desktop/screenshot', 'Screenshot'],
      ['GET', '/vms/{id}/desktop/info', 'Where a desktop can be reached'],
      ['POST', '/vms/{id}/desktop/click', 'Click'],
      ['POST', '/vms/{id}/desktop/keys', 'Press keys'],
      ['POST', '/vms/{id}/desktop/type', 'Type text'],
    ],
  },
  {
    name: 'AI sessions',
    calls: [
      ['POST', '/ai/sessions', 'Begin an AI session'],
      ['GET', '/ai/sessions', 'AI sessions'],
      ['DELETE', '/ai/sessions/{session}', 'End an AI session'],
    ],
  },
  {
    name: 'alerts',
    calls: [
      ['GET', '/vms/{id}/alerts', 'Alerts of a VM'],
      ['GET', '/system/alerts', 'Alerts'],
    ],
  },
];
