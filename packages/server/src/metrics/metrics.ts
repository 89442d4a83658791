import type { NovaEvent } from '@novasandbox/protocol/api';
import type { NetworkEvent, PoolEvent } from '@novasandbox/engine';
import { decisionCodes, poolDiscards, poolMisses } from '@novasandbox/protocol';
import { Counter, Histogram, Registry } from 'prom-client';
import type { Measured } from '../observe/observation.ts';

/**
 * The counters of the daemon, with the prefix `microvm_`. system/gauges.ts has the gauges of VMs and host.
 */
export interface ServerMetrics {
  readonly registry: Registry;
  readonly measured: Measured;
  event(event: NovaEvent): void;
  pooled(event: PoolEvent): void;
  network(event: NetworkEvent): void;
  booted(seconds: number): void;
  answered(method: string, route: string, status: number, seconds: number): void;
  failed(component: string, code: string): void;
  authenticated(method: string, ok: boolean): void;
  security(type: string): void;
}

export const metricName = (name: string): string => `microvm_${name}`;

const quick = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const slow = [0.05, 0.1, 0.15, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300];

export function createMetrics(): ServerMetrics {
  const registry = new Registry();
  const registers = [registry];
  const counter = (name: string, help: string, labelNames: string[] = []) =>
    new Counter({ name: metricName(name), help, labelNames, registers });
  const histogram = (name: string, help: string, buckets: number[], labelNames: string[] = []) =>
    new Histogram({ name: metricName(name), help, labelNames, buckets, registers });

  const vmTotal = counter('vm_total', 'VMs made since the daemon started');
  const operations = {
    vm: {
      total: counter('vm_operations_total', 'Operations on VMs', ['operation', 'result']),
      seconds: histogram('vm_operation_duration_seconds', 'Time of operations on VMs', slow, ['operation']),
    },
    guest: {
      total: counter('guest_operations_total', 'Calls into guests', ['operation', 'result']),
      seconds: histogram('guest_operation_duration_seconds', 'Time until a call into a guest was answered', quick, [
        'operation',
      ]),
    },
    snapshot: {
      total: counter('snapshot_operations_total', 'Operations on snapshots of VMs', ['operation', 'result']),
      seconds: histogram('snapshot_duration_seconds', 'Time of operations on snapshots of VMs', slow, ['operation']),
    },
    template: {
      total: counter('template_operations_total', 'Templates built and removed', ['operation', 'result']),
      seconds: histogram('template_operation_duration_seconds', 'Time of operations on templates', slow, ['operation']),
    },
    volume: {
      total: counter('volume_operations_total', 'Operations on volumes', ['operation', 'result']),
      seconds: histogram('volume_operation_duration_seconds', 'Time of operations on volumes', quick, ['operation']),
    },
  } as const;
  const boot = histogram('vm_boot_time_seconds', 'Time from the call to the first answer of the guest', slow);
  const requests = counter('api_requests_total', 'Requests by route', ['method', 'route', 'status']);
  const requestSeconds = histogram('api_request_duration_seconds', 'Time of requests by route', quick, [
    'method',
    'route',
  ]);
  const errors = counter('errors_total', 'Errors by component and code', ['component', 'code']);
  const attempts = counter('authentication_attempts_total', 'Credentials checked', ['method', 'result']);
  const pool = {
    made: counter('pool_made_total', 'Clones made for the warm pool'),
    hit: counter('pool_hits_total', 'VMs that were clones from the warm pool'),
    missed: counter('pool_misses_total', 'VMs that got no clone from the warm pool', ['reason']),
    discarded: counter('pool_discards_total', 'Clones that left the warm pool without becoming a VM', ['reason']),
  } as const;
  const denials = counter('network_denials_total', 'What the network policies of VMs have denied', ['code']);
  const questions = counter('network_approvals_needed_total', 'Questions about connections of VMs');
  const security = counter('security_events_total', 'Events that may be attacks', ['type']);

  // Every series starts at 0, so that alerts on it work from the start.
  for (const type of ['authentication_failed', 'forbidden', 'rate_limited']) security.inc({ type }, 0);
  for (const result of ['ok', 'error']) {
    for (const operation of ['create', 'clone', 'fork', 'start', 'stop', 'pause', 'hibernate', 'resume', 'delete']) {
      operations.vm.total.inc({ operation, result }, 0);
    }
    operations.guest.total.inc({ operation: 'execute', result }, 0);
    for (const operation of ['create', 'restore', 'verify', 'export', 'import', 'delete']) {
      operations.snapshot.total.inc({ operation, result }, 0);
      operations.snapshot.seconds.zero({ operation });
    }
    for (const operation of ['build', 'delete']) operations.template.total.inc({ operation, result }, 0);
    for (const operation of ['create', 'resize', 'delete']) operations.volume.total.inc({ operation, result }, 0);
  }
  for (const code of decisionCodes) if (code !== 'allowed' && code !== 'unreachable') denials.inc({ code }, 0);
  for (const reason of poolMisses) pool.missed.inc({ reason }, 0);
  for (const reason of poolDiscards) pool.discarded.inc({ reason }, 0);
  errors.inc({ component: 'api', code: 'internal' }, 0);
  attempts.inc({ method: 'key', result: 'ok' }, 0);

  return {
    registry,
    measured(kind, operation, result, seconds) {
      operations[kind].total.inc({ operation, result });
      operations[kind].seconds.observe({ operation }, seconds);
    },
    event({ type }) {
      if (type === 'vm.created') vmTotal.inc();
      if (type === 'vm.failed') errors.inc({ component: 'vm', code: 'failed' });
    },
    pooled: ({ type, reason }) => pool[type].inc(reason === null ? {} : { reason }),
    network(event) {
      if (event.type === 'asked') questions.inc();
      else for (const { code, count } of event.counts) denials.inc({ code }, count);
    },
    booted: (seconds) => boot.observe(seconds),
    answered(method, route, status, seconds) {
      requests.inc({ method, route, status });
      requestSeconds.observe({ method, route }, seconds);
    },
    failed: (component, code) => errors.inc({ component, code }),
    authenticated(method, ok) {
      attempts.inc({ method, result: ok ? 'ok' : 'error' });
      if (!ok) security.inc({ type: 'authentication_failed' });
    },
    security: (type) => security.inc({ type }),
  };
}
