import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:http';

/**
 * The servers of the tests' internet (internet.ts). Prints `ready` when they listen. Every name resolves to the given
 * address.
 */
const [, , address = ''] = process.argv;

const http = createServer((request, response) => response.end(`hello ${request.socket.remoteAddress ?? ''}\n`));
await once(http.listen(80, '0.0.0.0'), 'listening');

const dns = createSocket('udp4');
dns.on('message', (query, { port, address: client }) => {
  // RFC 1035: the header is 12 bytes, a question ends with its type and class, four bytes after the empty label.
  const end = query.indexOf(0, 12) + 5;
  const isA = query.readUInt16BE(end - 4) === 1;
  const header = Buffer.from(query.subarray(0, 12));
  header.writeUInt16BE(0x8180, 2);
  header.writeUInt16BE(isA ? 1 : 0, 6);
  header.fill(0, 8);
  const answer = Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, ...address.split('.').map(Number)]);
  dns.send([header, query.subarray(12, end), ...(isA ? [answer] : [])], port, client);
});
await once(dns.bind(53, '0.0.0.0'), 'listening');
process.stdout.write('ready\n');
