import { readCertificate } from './http/certificate.ts';
import type { ServerConfig } from './config/schema.ts';

/**
 * Checks the files that a configuration names, as the daemon does at its start. Throws `invalid_argument` with the
 * field.
 */
export function checkFiles({ server }: ServerConfig): void {
  if (server.tls !== undefined) readCertificate(server.tls);
}
