import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { after, before, suite, test } from 'node:test';
import { createEngine } from '@novasandbox/engine';
import { eventually } from '../support/eventually.ts';
import { mcpHost, textOf, type McpHost } from '../support/mcp.ts';
import { isThere } from '../support/is-there.ts';
import { cliUnderTest, novaCommand, type Cli } from '../support/nova-cli.ts';

const toolNames = [
  ...['control_command', 'create_sandbox', 'destroy_sandbox', 'fork_sandbox', 'list_files', 'list_sandboxes'],
  ...['network_denials', 'open_port', 'read_command', 'read_file', 'run_command', 'start_command', 'take_snapshot'],
  'write_file',
];

const idsOf = async (cli: Cli): Promise<string[]> =>
  (JSON.parse(await cli.ok('ls', '--all', '--json')) as { id: string }[]).map(({ id }) => id);

suite('nova mcp', () => {
  let cli: Cli;
  let host: McpHost & { readonly pid: number };
  let sandbox: string;

  before(async () => {
    cli = await cliUnderTest();
    await using builder = await createEngine({ home: cli.home.home });
    await builder.templates.build('base');
    host = await mcpHost(cli.home.env);
    ({ sandbox } = await host.call('create_sandbox', { name: 'agent', env: { GREETING: 'hello' } }));
  });
  after(async () => {
    await host?.[Symbol.asyncDispose]();
    await cli?.[Symbol.asyncDispose]();
  });

  test('the tools say what they do, what they take and what they change', async () => {
    const { tools } = await host.client.listTools();
    assert.deepEqual(tools.map(({ name }) => name).toSorted(), toolNames);
    for (const { name, description, inputSchema, outputSchema, annotations } of tools) {
      assert.ok((description ?? '').length > 30 && (description ?? '').length < 2048, name);
      assert.equal(inputSchema.type, 'object', name);
      assert.equal(outputSchema?.type, 'object', name);
      assert.equal(typeof annotations?.readOnlyHint, 'boolean', name);
    }
    assert.match(host.client.getInstructions() ?? '', /create_sandbox/);
  });

  test('a command runs in the sandbox, with its input, variables, user and directory; how it ended is told', async () => {
    const ran = await host.call('run_command', {
      sandbox,
      command: 'cat; echo "$GREETING $WHO" >&2; id -un; pwd; exit 3',
      stdin: 'typed\n',
      env: { WHO: 'you' },
      user: 'root',
      cwd: '/tmp',
    });
    assert.deepEqual(
      [ran['exit_code'], ran['stdout'], ran['stderr'], ran['running']],
      [...[3, 'typed\nroot\n/tmp\n', 'hello you\n', false]],
    );
    const late = await host.call('run_command', { sandbox, command: 'sleep 100', timeout_s: 0.5 });
    assert.deepEqual([late['timed_out'], late['running']], [true, false]);
  });

  test('of long output beginning and end come, and the rest is read by offset or by its address', async () => {
    const result = await host.client.callTool({
      name: 'run_command',
      arguments: { sandbox, command: 'seq 1 100000', max_output_bytes: 1000 },
    });
    const data = result.structuredContent as { exec_id: number; stdout: string; stdout_omitted: number };
    assert.match(data.stdout, /^1\n2\n3\n[^]*bytes left out[^]*\n100000\n$/);
    assert.equal(data.stdout_omitted, 588_895 - 1000);
    assert.ok(textOf(result).length < 1500);
    const link = result.content.find((part) => part.type === 'resource_link');
    assert.ok(link !== undefined && 'uri' in link);
    const { contents } = await host.client.readResource({ uri: link.uri });
    const [whole] = contents;
    assert.ok(whole !== undefined && 'text' in whole);
    assert.equal(whole.text.length, 588_895);
    const read = { sandbox, exec_id: data.exec_id, stdout_offset: 500, max_output_bytes: 200_000 };
    const part = await host.call('read_command', read);
    assert.ok(whole.text.slice(500).startsWith((part['stdout'] as string).slice(0, 50_000)));
    assert.equal(part['next_stdout_offset'], 588_895);
  });

  test('output that has no end is bounded, progress is told, and a call that is given up ends its command', async () => {
    const told: number[] = [];
    const given = new AbortController();
    const call = host.call(
      'run_command',
      { sandbox, command: 'echo $$ > /tmp/endless; exec yes', timeout_s: 600 },
      { signal: given.signal, onprogress: ({ progress }) => void told.push(progress) },
    );
    await eventually('there is progress', () => told.length >= 2, 60_000);
    assert.deepEqual(
      told,
      told.toSorted((a, b) => a - b),
    );
    given.abort();
    await assert.rejects(call);
    await eventually('the command has ended', async () => {
      const left = await host.call('run_command', { sandbox, command: 'kill -0 "$(cat /tmp/endless)"' });
      return left['exit_code'] !== 0;
    });
    const resident = Number(/^VmHWM:\s+(\d+)/m.exec(readFileSync(`/proc/${host.pid}/status`, 'utf8'))?.[1]);
    assert.ok(resident < 400_000, `${resident} kB`);
  });

  test('a long command is read, written to and signalled', async () => {
    const command = 'trap "echo bye; exit 7" INT; while read line; do echo "got $line"; done; sleep 1000 & wait';
    const { exec_id } = await host.call('start_command', { sandbox, command });
    assert.equal((await host.call('read_command', { sandbox, exec_id }))['running'], true);
    await host.call('control_command', { sandbox, exec_id, input: 'one\n' });
    const first = await host.call('read_command', { sandbox, exec_id, wait_s: 50 });
    assert.equal(first['stdout'], 'got one\n');
    await host.call('control_command', { sandbox, exec_id, input: 'two\n', close_input: true });
    const next = first['next_stdout_offset'] as number;
    const second = await host.call('read_command', { sandbox, exec_id, stdout_offset: next, wait_s: 50 });
    assert.equal(second['stdout'], 'got two\n');
    await host.call('control_command', { sandbox, exec_id, signal: 'SIGINT' });
    await eventually('it has ended', async () => {
      const last = await host.call('read_command', { sandbox, exec_id, stdout_offset: 8, wait_s: 5 });
      return last['running'] === false && last['exit_code'] === 7 && last['stdout'] === 'got two\nbye\n';
    });
  });

  test('files are written, read in parts, and listed; bytes that are no text come as base64', async () => {
    const path = '/tmp/work/deep/notes.txt';
    const written = await host.call('write_file', { sandbox, path, content: 'grüße\n'.repeat(1000), mode: '640' });
    assert.deepEqual([written['path'], written['size']], [path, 8000]);
    const parts: string[] = [];
    for (let offset: number | null = 0; offset !== null;) {
      const part = await host.call('read_file', { sandbox, path, offset, max_bytes: 3001 });
      assert.equal(part['encoding'], 'text');
      parts.push(part['content'] as string);
      offset = part['next_offset'] as number | null;
    }
    assert.equal(parts.join(''), 'grüße\n'.repeat(1000));
    const bytes = Buffer.from([0, 255, 128, 7]);
    await host.call('write_file', {
      sandbox,
      path: '/tmp/work/b',
      content: bytes.toString('base64'),
      encoding: 'base64',
    });
    const back = await host.call('read_file', { sandbox, path: '/tmp/work/b' });
    assert.deepEqual([back['encoding'], Buffer.from(back['content'] as string, 'base64')], ['base64', bytes]);
    const { entries } = await host.call('list_files', { sandbox, path: '/tmp/work', depth: 3 });
    assert.deepEqual((entries as { path: string }[]).map((entry) => entry.path).toSorted(), [
      '/tmp/work/b',
      '/tmp/work/deep',
      path,
    ]);
  });

  test('a snapshot is gone on from, and forks have the files of their parent', async () => {
    await host.call('write_file', { sandbox, path: '/tmp/state', content: 'before' });
    const { snapshot } = await host.call('take_snapshot', { sandbox, name: 'start' });
    await host.call('write_file', { sandbox, path: '/tmp/state', content: 'after' });
    const { sandbox: again } = await host.call('create_sandbox', { snapshot });
    const { children } = await host.call('fork_sandbox', { sandbox, count: 2 });
    const stateOf = async (id: string): Promise<string> =>
      (await host.call('read_file', { sandbox: id, path: '/tmp/state' }))['content'] as string;
    assert.equal(await stateOf(again as string), 'before');
    const forks = (children as { sandbox: string; error: null }[]).map((child) => child.sandbox);
    assert.deepEqual(await Promise.all(forks.map(stateOf)), ['after', 'after']);
    for (const id of [again as string, ...forks]) await host.call('destroy_sandbox', { sandbox: id });
    assert.deepEqual(await idsOf(cli), [sandbox]);
    await cli.ok('snapshot', 'rm', snapshot as string);
  });

  test('errors say what to do, in the result, where the model reads them', async () => {
    assert.match(
      await host.refused('run_command', { sandbox: 'nobody', command: 'true' }),
      /^sandbox_not_found: .*\n.+/,
    );
    assert.match(await host.refused('read_file', { sandbox, path: '/nowhere' }), /^file_not_found: /);
    assert.match(
      await host.refused('create_sandbox', { allow: ['not a host'] }),
      /^invalid_argument: .*\n.*api\.example\.com/,
    );
    assert.match(await host.refused('open_port', { sandbox, port: 80 }), /^feature_unsupported: .*\n.*nova serve/);
    assert.match(
      await host.refused('control_command', { sandbox, exec_id: 999_999, signal: 'SIGINT' }),
      /^process_not_found/,
    );
    assert.match(await host.refused('run_command', { sandbox }), /command/);
  });

  test('fifty calls at once are all answered', async () => {
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, index) => host.call('run_command', { sandbox, command: `echo ${index}` })),
    );
    assert.deepEqual(
      answers.map((answer) => answer['stdout']),
      Array.from({ length: 50 }, (_, index) => `${index}\n`),
    );
  });

  test('a client of the protocol before works too, with the tools that it is given', async () => {
    await using old = await mcpHost(cli.home.env, { era: 'legacy', args: ['--toolsets', 'sandboxes,commands'] });
    const { tools } = await old.client.listTools();
    assert.equal(tools.length, 7);
    const ran = await old.call('run_command', { sandbox: 'agent', command: 'echo $GREETING' });
    assert.equal(ran['stdout'], 'hello\n');
    const wrong = await cli.nova(['mcp', '--toolsets', 'magic']);
    assert.equal(wrong.code, 2);
    assert.match(wrong.stderr, /there is no magic; there are sandboxes, commands, files, state, network/);
  });

  test('what a host has made goes with it, however it ends, and nothing of others', async () => {
    const closed = await mcpHost(cli.home.env);
    await closed.call('create_sandbox');
    await closed[Symbol.asyncDispose]();
    await eventually('the sandbox of a host that has left is gone', async () => (await idsOf(cli)).length === 1);

    // A host that is killed, while another process keeps its end of the pipe open.
    const words = [...novaCommand, 'mcp'].map((word) => `'${word}'`).join(' ');
    const shell = spawn('/bin/bash', ['-c', `${words} & echo $!; wait`], {
      env: cli.home.env,
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const lines: string[] = [];
    shell.stdout.on('data', (bytes: Buffer) => lines.push(bytes.toString()));
    await eventually('it has started', () => /^\d+\n/.test(lines.join('')));
    const server = Number(lines.join('').split('\n')[0]);
    shell.kill('SIGKILL');
    await once(shell, 'exit');
    await eventually('its server has noticed', () => !isThere(server), 30_000);
    shell.stdin.destroy();
    assert.deepEqual(await idsOf(cli), [sandbox]);
  });
});
