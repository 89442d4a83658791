import type { Activity } from '../context.ts';

export interface ActivityRecord extends Activity {
  /**
   * Returns for how long the sandbox has been idle, in ms; 0 while it is busy. For a sandbox that was never busy, time
   * counts from the first call.
   */
  idleMs(sandboxId: string): number;
  forget(sandboxId: string): void;
}

export function createActivity(now: () => number = Date.now): ActivityRecord {
  const records = new Map<string, { busy: number; lastMs: number }>();
  const of = (id: string): { busy: number; lastMs: number } => {
    let record = records.get(id);
    if (record === undefined) {
      record = { busy: 0, lastMs: now() };
      records.set(id, record);
    }
    return record;
  };
  return {
    busy(sandboxId) {
      const record = of(sandboxId);
      record.busy += 1;
      let over = false;
      return {
        [Symbol.dispose]() {
          if (over) return;
          over = true;
          record.busy -= 1;
          record.lastMs = now();
        },
      };
    },
    idleMs(sandboxId) {
      const record = of(sandboxId);
      return record.busy > 0 ? 0 : now() - record.lastMs;
    },
    forget: (sandboxId) => void records.delete(sandboxId),
  };
}
