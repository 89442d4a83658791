import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { createEngine } from '@novasandbox/engine';
import { daemonUnderTest, type DaemonUnderTest } from '../support/daemon.ts';
import { eventually } from '../support/eventually.ts';
import { mcpHost, mcpHostOver, type McpHost } from '../support/mcp.ts';
import { testHome } from '../support/test-home.ts';

suite('the Model Context Protocol over HTTP', () => {
  let daemon: DaemonUnderTest;
  let host: McpHost;
  let sandbox: string;

  const rest = async (method: string, path: string, body?: object, key = daemon.apiKey): Promise<Response> =>
    fetch(new URL(`/api/v1${path}`, daemon.url), {
      method,
      headers: {
        authorization: `Bearer ${key}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });

  before(async () => {
    const home = await testHome();
    {
      await using builder = await createEngine({ home: home.home });
      await builder.templates.build('base');
    }
    daemon = await daemonUnderTest(home);
    host = await mcpHostOver(daemon.url, daemon.apiKey);
    ({ sandbox } = await host.call('create_sandbox', { name: 'shared', allow: [] }));
  });
  after(async () => {
    if (sandbox !== undefined) await rest('DELETE', `/vms/${sandbox}?force=true`);
    await host?.[Symbol.asyncDispose]();
    await daemon?.[Symbol.asyncDispose]();
    await daemon?.home[Symbol.asyncDispose]();
  });

  test('both eras of the protocol work, without a session: any connection can go on', async () => {
    for (const era of ['auto', 'legacy'] as const) {
      await using other = await mcpHostOver(daemon.url, daemon.apiKey, era);
      assert.equal((await other.client.listTools()).tools.length, 14);
      const started = await other.call('start_command', { sandbox, command: 'read word; echo "got $word"' });
      await host.call('control_command', { sandbox, exec_id: started['exec_id'], input: `${era}\n` });
      await using third = await mcpHostOver(daemon.url, daemon.apiKey, era);
      await eventually('the command has answered', async () => {
        const read = await third.call('read_command', { sandbox, exec_id: started['exec_id'], wait_s: 5 });
        return read['stdout'] === `got ${era}\n` && read['exit_code'] === 0;
      });
    }
  });

  test('progress is told, and a call that is given up ends its command', async () => {
    const told: number[] = [];
    const given = new AbortController();
    const call = host.call(
      'run_command',
      { sandbox, command: 'echo $$ > /tmp/endless; exec yes', timeout_s: 600 },
      { signal: given.signal, onprogress: ({ progress }) => void told.push(progress) },
    );
    await eventually('there is progress', () => told.length >= 2, 60_000);
    given.abort();
    await assert.rejects(call);
    await eventually('the command has ended', async () => {
      const left = await host.call('run_command', { sandbox, command: 'kill -0 "$(cat /tmp/endless)"' });
      return left['exit_code'] !== 0;
    });
  });

  test('a port is opened to whoever has the address', async () => {
    const command = 'cd /tmp && echo "<p>seen</p>" > index.html && exec python3 -m http.server 8000 --bind 127.0.0.1';
    await host.call('start_command', { sandbox, command });
    const opened = await host.call('open_port', { sandbox, port: 8000 });
    const address = new URL(opened['url'] as string);
    const token = address.searchParams.get('nova_token') ?? '';
    // Names below localhost are resolved by browsers, and not by every system.
    const at = new URL('/index.html', daemon.url);
    await eventually('the server answers', async () => {
      const answer = await fetch(at, {
        headers: { 'x-none': '1', 'nova-preview-token': token, 'e2b-sandbox-id': sandbox, 'e2b-sandbox-port': '8000' },
      });
      return answer.ok && (await answer.text()).includes('seen');
    });
  });

  test('refused connections are explained, and what is refused can be asked for', async () => {
    await host.call('run_command', {
      sandbox,
      command: 'python3 -c "import urllib.request as r; r.urlopen(\'http://api.example.com/\', timeout=20)"',
    });
    await eventually('the denial is told', async () => {
      const { denials } = await host.call('network_denials', { sandbox });
      return (denials as { to: string; remedy: string | null }[]).some(
        ({ to, remedy }) => to.startsWith('api.example.com:') && (remedy ?? '').includes('api.example.com'),
      );
    });
  });

  test('a key opens what it may, and nothing else; pages of other origins are refused', async () => {
    const call = (headers: Record<string, string>): Promise<Response> =>
      fetch(new URL('/mcp', daemon.url), {
        method: 'POST',
        headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream', ...headers },
        body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/list' }),
      });
    assert.equal((await call({})).status, 401);
    assert.equal((await call({ authorization: 'Bearer wrong' })).status, 401);
    const key = { authorization: `Bearer ${daemon.apiKey}` };
    assert.equal((await call(key)).status, 200);
    assert.equal((await call({ ...key, origin: 'https://evil.example' })).status, 403);

    const made = await rest('POST', '/security/api-keys', { name: 'reader', role: 'admin', scopes: ['vm:read'] });
    assert.ok(made.ok, await made.clone().text());
    const { key: readers } = (await made.json()) as { key: string };
    await using reader = await mcpHostOver(daemon.url, readers);
    const { sandboxes } = await reader.call('list_sandboxes');
    assert.ok((sandboxes as { sandbox: string }[]).some((each) => each.sandbox === sandbox));
    assert.match(await reader.refused('run_command', { sandbox, command: 'true' }), /^forbidden: .*guest:execute/);
    assert.match(await reader.refused('create_sandbox', {}), /^forbidden: /);
    assert.match(await reader.refused('open_port', { sandbox, port: 8000 }), /^forbidden: /);
  });

  test('a server on stdin and stdout serves the sandboxes of a daemon too', async () => {
    const env = { ...process.env, NOVA_API_URL: daemon.url, NOVA_API_KEY: daemon.apiKey };
    await using local = await mcpHost(env, { era: 'legacy' });
    assert.equal((await local.call('run_command', { sandbox: 'shared', command: 'echo over' }))['stdout'], 'over\n');
    assert.match(
      (await local.call('open_port', { sandbox: 'shared', port: 9000 }))['url'] as string,
      /^http:\/\/9000-/,
    );
  });
});
