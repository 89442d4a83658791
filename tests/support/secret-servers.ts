import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createSecureServer } from 'node:http2';

/**
 * A server that tells the digest of the Authorization header that it got, and sends the header back.
 *
 *     node secret-servers.ts KEY CERTIFICATE
 */
const [, , key = '', certificate = ''] = process.argv;
const server = createSecureServer(
  { key: readFileSync(key), cert: readFileSync(certificate), allowHTTP1: true },
  (request, response) => {
    const got = String(request.headers['authorization'] ?? '');
    const digest = createHash('sha256').update(got).digest('hex');
    response.end(`${request.method} ${request.url} ${digest} ${got}\n`);
  },
);
await once(server.listen(443, '0.0.0.0'), 'listening');
process.stdout.write('ready\n');
