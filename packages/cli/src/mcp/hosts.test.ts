import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isNovaError } from '@novasandbox/protocol';
import { parse as parseJsonc } from 'jsonc-parser';
import { parse } from 'smol-toml';
import { mcpHosts, type McpHost } from './hosts.ts';

const server = { command: '/opt/nova', args: ['mcp'], env: {} };
const withHome = { ...server, env: { NOVA_HOME: '/srv/nova' } };
/** The library's objects have no prototype. */
const parseToml = (text: string): unknown => JSON.parse(JSON.stringify(parse(text)));
const host = (name: string): McpHost => {
  const found = mcpHosts[name];
  assert.ok(found, name);
  return found;
};

/** The forms that the documents of the hosts show. */
const forms: Readonly<Record<string, unknown>> = {
  'claude-code': {
    mcpServers: { novasandbox: { command: '/opt/nova', args: ['mcp'], env: { NOVA_HOME: '/srv/nova' } } },
  },
  codex: { mcp_servers: { novasandbox: { command: '/opt/nova', args: ['mcp'], env: { NOVA_HOME: '/srv/nova' } } } },
  cursor: { mcpServers: { novasandbox: { command: '/opt/nova', args: ['mcp'], env: { NOVA_HOME: '/srv/nova' } } } },
  opencode: {
    mcp: {
      novasandbox: {
        ...{ type: 'local', command: ['/opt/nova', 'mcp'], environment: { NOVA_HOME: '/srv/nova' }, enabled: true },
      },
    },
  },
  vscode: {
    servers: {
      novasandbox: { type: 'stdio', command: '/opt/nova', args: ['mcp'], env: { NOVA_HOME: '/srv/nova' } },
    },
  },
};

test('each host gets its own form, in a new file or in an empty one', () => {
  assert.deepEqual(Object.keys(mcpHosts), Object.keys(forms));
  for (const [name, form] of Object.entries(forms)) {
    for (const empty of ['', '\n']) {
      const text = host(name).with(empty, withHome);
      assert.deepEqual(name === 'codex' ? parseToml(text) : JSON.parse(text), form, name);
    }
  }
});

test('what else a JSON file holds stays, comments too, also when the server is taken out again', () => {
  const before = `{
    // Keep this one.
    "mcpServers": {
        "other": { "command": "x" }, // its comment
    },
    "theme":   "dark"
}
`;
  const { with: add, without } = host('cursor');
  const added = add(before, server);
  assert.match(added, /\/\/ Keep this one\.[^]*\/\/ its comment[^]*"theme": {3}"dark"/);
  assert.match(added, /\n {8}"novasandbox": \{\n {12}"command": "\/opt\/nova"/);
  const rest = { mcpServers: { other: { command: 'x' } }, theme: 'dark' };
  const entry = { command: '/opt/nova', args: ['mcp'] };
  assert.deepEqual(parseJsonc(added), { ...rest, mcpServers: { ...rest.mcpServers, novasandbox: entry } });
  // Once more replaces it.
  assert.equal(add(added, withHome).match(/novasandbox/g)?.length, 1);
  const again = without(added);
  assert.match(again, /\/\/ Keep this one\.[^]*\/\/ its comment/);
  assert.deepEqual(parseJsonc(again), rest);
  assert.equal(without(again), again);
});

test('what else a TOML file holds stays as it is written', () => {
  const before = `# mine
model = "x"

[mcp_servers.other] # theirs
command = "y"
`;
  const { with: add, without } = host('codex');
  const added = add(before, withHome);
  assert.ok(added.startsWith(before));
  assert.equal(add(added, withHome), added);
  const after = `${added}\n[profiles.a]\nmodel = "z"\n`;
  assert.deepEqual(parseToml(without(after)), {
    model: 'x',
    mcp_servers: { other: { command: 'y' } },
    profiles: { a: { model: 'z' } },
  });
  assert.match(without(after), /^# mine\n[^]*# theirs/);
  assert.equal(without(before), before);
});

test('a file that cannot be changed without harm is refused', () => {
  const refused = (change: () => string): void =>
    assert.throws(change, (error) => isNovaError(error, 'invalid_argument') && error.hint.includes('by hand'));
  refused(() => host('cursor').with('{ "mcpServers": ', server));
  refused(() => host('vscode').with('[]', server));
  refused(() => host('codex').with('model = ', server));
  refused(() => host('codex').with('mcp_servers = { novasandbox = { command = "x" } }\n', server));
});
