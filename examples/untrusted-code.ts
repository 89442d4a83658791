// Runs code that nobody has reviewed: no network, little memory, few processes, a time limit, and a limited life.
import { Sandbox } from 'novasandbox';

const untrusted = `
import os, socket
print("user:", os.environ["USER"])
try:
    socket.create_connection(("1.1.1.1", 53), timeout=2)
    print("network: reachable")
except OSError:
    print("network: unreachable")
try:
    hog = bytearray(1 << 30)
    print("memory: 1 GiB")
except MemoryError:
    print("memory: refused")
`;

await using sandbox = await Sandbox.create({
  memoryMb: 256,
  diskSizeMb: 256,
  maxProcesses: 64,
  enableNetwork: false,
  timeoutMs: 60_000,
});
const { stdout, exitCode, oomKilled } = await sandbox.commands.run(['python3', '-c', untrusted], {
  timeoutMs: 10_000,
  check: false,
});
process.stdout.write(stdout);
console.log(oomKilled || exitCode !== 0 ? 'it went too far and was ended' : 'it ended by itself');
