/** Bounds on the cost of a guest to the daemon, and of visitors to both. */
export interface ProxyLimits {
  /** Time from the last received byte of a request to the first byte of its answer, ms. */
  readonly firstByteMs: number;
  /** Bytes of all headers of an answer. */
  readonly headerBytes: number;
  /** Time to open a connection to the port, ms. */
  readonly connectMs: number;
  /** Time without a byte in either direction after which an answered connection is closed, ms. */
  readonly idleMs: number;
  /**
   * Connections to all ports of one sandbox. Lower than the number of tunnels that the engine allows, so that some
   * remain for its owner.
   */
  readonly perSandbox: number;
  /** Connections to one sandbox from one address; 0 for no limit. */
  readonly perVisitor: number;
}

export const defaultLimits: Omit<ProxyLimits, 'perVisitor' | 'firstByteMs'> = {
  headerBytes: 128 * 1024,
  connectMs: 10_000,
  idleMs: 600_000,
  perSandbox: 384,
};
