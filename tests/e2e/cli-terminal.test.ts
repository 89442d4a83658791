import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { cliUnderTest, finished, novaCommand, until, type Cli } from '../support/nova-cli.ts';

/**
 * Runs a shell script in a terminal of its own: `script` passes our pipes on as keys and screen. `nova` is a function
 * in it.
 */
function inTerminal(cli: Cli, script: string): ChildProcess {
  const nova = `nova() { ${novaCommand.map((word) => `'${word}'`).join(' ')} "$@"; }`;
  return spawn('script', ['-qec', `bash -c '${`${nova}; ${script}`.replaceAll("'", `'\\''`)}'`, '/dev/null'], {
    env: { ...cli.home.env, TERM: 'xterm', SHELL: '/bin/bash' },
  });
}

test('a command has a terminal of our size, which follows ours', async () => {
  await using cli = await cliUnderTest();
  await cli.ok('create', '--name', 'box');
  const terminal = inTerminal(
    cli,
    `stty cols 97 rows 31; (sleep 2.5; stty cols 44 rows 22 < /dev/tty) &
     nova exec -it box -- sh -c "stty size; trap 'stty size; exit 3' WINCH; while :; do sleep 0.1; done"; echo "ended with $?"`,
  );
  const { stdout } = await finished(terminal);
  assert.match(stdout, /31 97\r\n[^]*22 44\r\n[^]*ended with 3/);
});

test("keys pass raw: Ctrl-C is the guest's, and our terminal is as it was afterwards", async () => {
  await using cli = await cliUnderTest();
  await cli.ok('create', '--name', 'box');
  const terminal = inTerminal(
    cli,
    'before=$(stty -g); nova shell box; echo "ended with $?"; [ "$before" = "$(stty -g)" ] && echo restored',
  );
  await until(terminal.stdout, '$ ');
  terminal.stdin?.write('echo $((6*7)); tty; sleep 1000\r');
  await until(terminal.stdout, '/dev/pts/');
  await sleep(500);
  terminal.stdin?.write('\x03');
  await sleep(500);
  terminal.stdin?.write('exit 6\r');
  const { stdout } = await finished(terminal);
  assert.match(stdout, /ended with 6[^]*restored/);
});

test('without -t, Ctrl-C in a terminal reaches the command as SIGINT, and only the command', async () => {
  await using cli = await cliUnderTest();
  const terminal = inTerminal(
    cli,
    `trap : INT; nova run -- sh -c "trap 'echo caught; exit 5' INT; echo ready; while :; do sleep 0.1; done"; echo "ended with $?"`,
  );
  await until(terminal.stdout, 'ready');
  terminal.stdin?.write('\x03');
  const { stdout } = await finished(terminal);
  assert.match(stdout, /caught[^]*ended with 5/);
});

test('a sandbox made in a terminal outlives it', async () => {
  await using cli = await cliUnderTest();
  const terminal = inTerminal(cli, 'nova create --name box; echo made; sleep 100');
  await until(terminal.stdout, 'made');
  terminal.kill('SIGKILL');
  await sleep(500);
  assert.equal(await cli.ok('exec', 'box', '--', 'echo', 'alive'), 'alive');
});

test('run -it without a command is a shell in a sandbox of its own, which goes with it', async () => {
  await using cli = await cliUnderTest();
  const terminal = inTerminal(cli, 'nova run -it; echo "ended with $?"');
  await until(terminal.stdout, '$ ');
  terminal.stdin?.write('echo $TERM-$((6*7)); exit 4\r');
  const { stdout } = await finished(terminal);
  assert.match(stdout, /xterm-42[^]*ended with 4/);
  assert.equal(await cli.ok('ls', '-a', '-q'), '');
});

test('a terminal that goes away takes its sandbox with it', async () => {
  await using cli = await cliUnderTest();
  const terminal = inTerminal(cli, 'nova run -it');
  await until(terminal.stdout, '$ ');
  terminal.kill('SIGKILL');
  const deadline = Date.now() + 15_000;
  while ((await cli.ok('ls', '-a', '-q')) !== '') assert.ok(Date.now() < deadline, 'the sandbox is still there');
  // It is no longer listed, but its processes may take a moment more.
  await sleep(1000);
});
