/** Bounds on the cost of a guest to the daemon, and of visitors to both. */
export interface ProxyLimits {
  /** From the last that has come of a request to the first byte of an answer, ms. */
  readonly firstByteMs: number;
  /** Bytes of all headers of an answer. */
  readonly headerBytes: number;
  /** To open a connection to the port, ms. */
  readonly connectMs: number;
  /** Without a byte either way once there is an answer, ms: then the connection is closed. */
  readonly idleMs: number;
  /** Connections to all ports of one sandbox: fewer than the engine has tunnels, so that its owner has some besides. */
  readonly perSandbox: number;
  /** Of them from one address; 0 for no limit. */
  readonly perVisitor: number;
}

export const defaultLimits: Omit<ProxyLimits, 'perVisitor' | 'firstByteMs'> = {
  headerBytes: 128 * 1024,
  connectMs: 10_000,
  idleMs: 600_000,
  perSandbox: 384,
};
