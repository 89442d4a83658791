// Output as it arrives, input while the command runs, and commands in the background.
import { CommandError, Sandbox } from 'novasandbox';

await using sandbox = await Sandbox.create();

// A callback that returns a promise slows the command down until it resolves.
await sandbox.commands.run('for i in 1 2 3; do echo "step $i"; sleep 0.1; done', {
  onStdout: (text) => process.stdout.write(text),
});

// A command in the background is a handle: write to it, read from it, wait for it.
const shout = await sandbox.commands.run(['tr', 'a-z', 'A-Z'], { background: true, stdin: true });
await shout.sendStdin('hello from the host\n');
await shout.closeStdin();
process.stdout.write((await shout.wait()).stdout);

// A command that fails throws an error with all its output.
try {
  await sandbox.commands.run('echo "out of luck" >&2; exit 3');
} catch (error) {
  if (!(error instanceof CommandError)) throw error;
  console.log(`exit code ${error.exitCode}: ${error.stderr.trim()}`);
}

// A time limit ends the command with all its children.
const { timedOut } = await sandbox.commands.run('sleep 60 & sleep 60', { timeoutMs: 500, check: false });
console.log(`timed out: ${timedOut}`);
