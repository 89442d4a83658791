import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { Client } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import { cliUnderTest, type Cli } from '../support/nova-cli.ts';

suite('nova mcp install', () => {
  let cli: Cli;
  let folder: string;
  before(async () => {
    cli = await cliUnderTest();
    folder = await mkdtemp(join(tmpdir(), 'nova-mcp-'));
  });
  after(async () => {
    await cli?.[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  });

  test('the server is shown, added, started from there by a host, and taken out again', async () => {
    const run = (...words: string[]) =>
      cli.nova(['mcp', ...words], { cwd: folder, env: { HOME: folder, NOVA_API_URL: '', NOVA_API_KEY: 'secret-key' } });
    const asked = await run('install', 'claude-code');
    assert.equal(asked.code, 2);
    assert.match(asked.stdout, /"mcpServers"/);
    assert.match(asked.stderr, /--yes/);
    await assert.rejects(stat(join(folder, '.mcp.json')), { code: 'ENOENT' });

    const added = await run('install', 'claude-code', '--yes');
    assert.equal(added.code, 0, added.stderr);
    const text = await readFile(join(folder, '.mcp.json'), 'utf8');
    assert.equal(text.trim(), added.stdout.trim());
    assert.doesNotMatch(text, /secret-key/);
    const { mcpServers } = JSON.parse(text) as {
      mcpServers: { novasandbox: { command: string; args: string[]; env: Record<string, string> } };
    };
    const { command, args, env } = mcpServers.novasandbox;
    assert.equal(env['NOVA_HOME'], cli.home.home);
    const client = new Client({ name: 'host', version: '1' });
    await client.connect(new StdioClientTransport({ command, args, env: { ...env, PATH: process.env['PATH'] ?? '' } }));
    assert.equal((await client.listTools()).tools.length, 14);
    await client.close();

    assert.equal((await run('uninstall', 'claude-code')).code, 0);
    assert.deepEqual(JSON.parse(await readFile(join(folder, '.mcp.json'), 'utf8')), { mcpServers: {} });
    const twice = await run('uninstall', 'claude-code');
    assert.deepEqual([twice.code, /not_found|has no server/.test(twice.stderr)], [1, true], twice.stderr);
  });

  test('a file of the user keeps its mode, and what cannot be done is said', async () => {
    const run = (...words: string[]) => cli.nova(['mcp', ...words], { cwd: folder, env: { HOME: folder } });
    const file = join(folder, '.claude.json');
    await writeFile(file, '{"numStartups": 3}\n', { mode: 0o600 });
    assert.equal((await run('install', 'claude-code', '--global', '-y')).code, 0);
    assert.equal((await stat(file)).mode & 0o777, 0o600);
    assert.deepEqual(Object.keys(JSON.parse(await readFile(file, 'utf8')) as object), ['numStartups', 'mcpServers']);
    assert.match((await run('install', 'emacs')).stderr, /There is no host emacs; there are claude-code, codex/);
    assert.match((await run('install', 'vscode', '-g')).stderr, /Leave --global out/);
    await writeFile(join(folder, '.mcp.json'), '{"mcpServers": ');
    const broken = await run('install', 'claude-code', '-y');
    assert.match(broken.stderr, /no JSON that could be changed/);
    assert.equal(await readFile(join(folder, '.mcp.json'), 'utf8'), '{"mcpServers": ');
  });
});
