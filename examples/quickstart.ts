// Creates a sandbox, runs a command, and leaves nothing behind.
import { Sandbox } from 'novasandbox';

await using sandbox = await Sandbox.create();

const { stdout } = await sandbox.commands.run('uname -sr');
console.log(`kernel of the guest: ${stdout.trim()}`);

const answer = await sandbox.commands.run(['python3', '-c', 'print(6 * 7)']);
console.log(`the answer: ${answer.stdout.trim()}`);
