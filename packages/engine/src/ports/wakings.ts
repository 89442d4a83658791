import type { SandboxInfo } from '@novasandbox/protocol';

/**
 * Admits a hibernated sandbox that is about to be woken, or refuses it by throwing. The result is called when it runs,
 * or with null where it could not be woken.
 */
export type AdmitWaking = (asleep: SandboxInfo) => (awake: SandboxInfo | null) => void;

/** Admits the wakings of an engine. Whoever offers the engine to others may exchange it later. */
export interface Wakings {
  admit: AdmitWaking;
}
