import { readCertificate } from './http/certificate.ts';
import type { ServerConfig } from './config/schema.ts';

/** Looks at the files that a configuration names, as the daemon does when it starts. Throws `invalid_argument` naming the field. */
export function checkFiles({ server }: ServerConfig): void {
  if (server.tls !== undefined) readCertificate(server.tls);
}
