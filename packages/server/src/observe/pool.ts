import type { LocalEngine, PoolEvent } from '@novasandbox/engine';
import type { Events } from '../context.ts';

const types = {
  made: 'pool.made',
  hit: 'pool.hit',
  missed: 'pool.missed',
  discarded: 'pool.discarded',
} as const satisfies Record<PoolEvent['type'], string>;

/** They belong to the host, because they tell when others make VMs, and of which template. */
const host = { id: null, owner: null, team: null };

/** Reports the changes of the warm pool to events and metrics, for as long as the engine is open. */
export function observePool(engine: LocalEngine, events: Events, counted: (event: PoolEvent) => void): void {
  engine.onPoolEvent((event) => {
    const { type, templateId, cloneId, reason, problem } = event;
    counted(event);
    events.emit(types[type], host, {
      ...(templateId === null ? {} : { template: templateId }),
      ...(cloneId === null ? {} : { clone: cloneId }),
      ...(reason === null ? {} : { reason }),
      ...(problem === null ? {} : { problem }),
    });
  });
}
