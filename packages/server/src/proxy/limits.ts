/** What a guest may cost the daemon. */
export interface ProxyLimits {
  /** From the request's end of headers to the first byte of an answer, ms. */
  readonly firstByteMs: number;
  /** Bytes of all headers of an answer. */
  readonly headerBytes: number;
  /** To open a connection to the port, ms. */
  readonly connectMs: number;
}

export const defaultLimits: ProxyLimits = { firstByteMs: 300_000, headerBytes: 65_536, connectMs: 10_000 };
