import type { LocalEngine, NetworkEvent } from '@novasandbox/engine';
import { approvalWireOf } from '@novasandbox/protocol/api';
import type { Events, Subject } from '../context.ts';
import type { FoundPolicies } from './found.ts';
import type { Observation } from './observation.ts';

/**
 * Reports denials and questions of sandboxes to events and metrics, for as long as the engine is open. The engine
 * bounds how many denials of one sandbox are told singly; the metrics count all of them.
 */
export function observeNetwork(engine: LocalEngine, events: Events, counted: (event: NetworkEvent) => void): void {
  engine.onNetworkEvent((event) => {
    counted(event);
    const { about } = event;
    if (event.type === 'asked') return events.emit('network.approval_needed', about, approvalData(event.approval));
    for (const { decision, count } of event.denials) {
      const { code, rule, host, address, port, protocol, approval, remedy } = decision;
      const asked = approval === undefined ? {} : { approval };
      events.emit('network.denied', about, { code, rule, host, address, port, protocol, ...asked, remedy, count });
    }
    if (event.more > 0) events.emit('network.denied', about, { code: null, count: event.more });
  });
}

const approvalData = (approval: Parameters<typeof approvalWireOf>[0]): Record<string, unknown> => {
  const { id, vm_id: _vm, ...same } = approvalWireOf(approval);
  return { approval: id, ...same };
};

export function observedPolicies({ engine, events, roster }: Observation): FoundPolicies {
  const { policies } = engine;
  return {
    ...policies,
    learned: (vm) => policies.learned(vm.id),
    async answer(id, answer, call) {
      const approval = await policies.answer(id, answer, call);
      const about: Subject | undefined = roster.find(approval.sandboxId);
      if (about !== undefined) events.emit('network.approval_answered', about, approvalData(approval));
      return approval;
    },
  };
}
