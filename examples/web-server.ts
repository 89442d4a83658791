// Runs a server in the sandbox and reaches it through a tunnel; no port of the host is opened.
import { isNovaError, Sandbox } from 'novasandbox';

await using sandbox = await Sandbox.create({ enableNetwork: false });
await sandbox.files.write('/tmp/www/index.html', 'served from a microVM\n');
await sandbox.commands.run('python3 -m http.server --bind 127.0.0.1 --directory /tmp/www 8000', { background: true });

const connect = async () => {
  for (;;) {
    try {
      return await sandbox.tunnel(8000);
    } catch (error) {
      // The server is not listening yet.
      if (!isNovaError(error, 'connection_refused')) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
};

const socket = await connect();
socket.write('GET / HTTP/1.0\r\n\r\n');
let answer = '';
for await (const part of socket) answer += String(part);
console.log(answer.split('\r\n\r\n')[1]?.trim());
