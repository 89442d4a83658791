import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { SecretInput } from '@novasandbox/protocol';
import { issuerOf, makeAuthority } from '../../packages/engine/src/certificates/authority.ts';
import { engineUnderTest, sandbox, sh } from './engine.ts';
import { makeInternet } from './internet.ts';
import { runOnHost } from './run-on-host.ts';

/** The program that tests/e2e/secrets.test.ts runs on a host of its own. */
const [, , resolvConf = ''] = process.argv;
const passed = (what: string): void => void process.stdout.write(`passed: ${what}\n`);
const scratch = mkdtempSync(join(tmpdir(), 'nova-secrets-'));

runOnHost('ip link set lo up');
await using internet = await makeInternet();
runOnHost(`ip route add default via ${internet.address}`);
writeFileSync(resolvConf, `nameserver ${internet.address}\n`);
const outside = makeAuthority();
const server = issuerOf(outside).issueFor('api.example');
const files = {
  key: join(scratch, 'key.pem'),
  certificate: join(scratch, 'server.pem'),
  outside: join(scratch, 'ca.pem'),
};
writeFileSync(files.key, server.key);
writeFileSync(files.certificate, server.certificate);
writeFileSync(files.outside, outside.certificate);
process.env['NOVA_EXTRA_CA'] = files.outside;
const servers = new URL('./secret-servers.ts', import.meta.url).pathname;
const within = [
  'nsenter',
  `--net=/run/netns/internet${process.pid}`,
  process.execPath,
  servers,
  files.key,
  files.certificate,
];
const serving = spawn(within[0] ?? '', within.slice(1), { stdio: ['ignore', 'pipe', 'inherit'] });
for await (const line of createInterface({ input: serving.stdout })) if (line === 'ready') break;

const value = 'sk-proj-Th3RealValueThatNobodyInTheGuestHas0123456789';
const secret: SecretInput = { name: 'API_TOKEN', value, hosts: [{ host: 'api.example' }] };
const digestOf = (text: string): string => createHash('sha256').update(`Bearer ${text}`).digest('hex');
const withToken = `-H "Authorization: Bearer $API_TOKEN" https://api.example/v1`;

{
  await using under = await engineUnderTest();
  const { engine, layout } = under;
  await using box = await sandbox(engine, { secrets: [secret] });
  const run = async (script: string, ref = box.id): Promise<string> => {
    const { stdout, stderr } = await sh(engine, ref, script);
    return `${stdout}${stderr}`;
  };
  const placeholder = (await run('echo $API_TOKEN')).trim();
  assert.match(placeholder, /^sk-proj-[A-Za-z0-9]{45}$/);
  assert.equal(placeholder.length, value.length);
  const answer = `${digestOf(value)} Bearer ${placeholder}\n`;
  const curl = `curl -sS --noproxy '*' --max-time 20`;
  assert.equal(await run(`${curl} ${withToken}`), `GET /v1 ${answer}`);
  assert.deepEqual(
    (await engine.sandboxes.secrets(box.id)).map(({ name, used }) => [name, used.requests]),
    [['API_TOKEN', 1]],
  );
  passed('curl sends the value that the guest does not have, and gets the placeholder back');

  const python = `import os, urllib.request
request = urllib.request.Request('https://api.example/python', headers={'Authorization': 'Bearer ' + os.environ['API_TOKEN']})
print(urllib.request.urlopen(request).read().decode(), end='')`;
  assert.equal(await run(`python3 -c "$(cat <<'END'\n${python}\nEND\n)"`), `GET /python ${answer}`);
  // Programs without our environment trust it too.
  for (const bare of [
    `${curl} -H 'Authorization: Bearer ${placeholder}' https://api.example/v1`,
    `wget -qO- --header 'Authorization: Bearer ${placeholder}' https://api.example/v1`,
  ])
    assert.equal(await run(`env -i PATH=$PATH ${bare}`), `GET /v1 ${answer}`, bare);
  assert.match(await run('git ls-remote https://api.example/x.git'), /not valid|not found|fatal: /);
  assert.doesNotMatch(await run('git ls-remote https://api.example/x.git'), /certificate/i);
  passed('Python, wget, git and programs without an environment trust the authority of the sandbox');

  const everywhere = [
    JSON.stringify(await engine.sandboxes.config(box.id)),
    JSON.stringify(await engine.sandboxes.get(box.id)),
    JSON.stringify(await Array.fromAsync(await engine.sandboxes.decisions(box.id))),
    ...filesBelow(layout.home).map((path) => readFileSync(path, 'latin1')),
    ...readdirSync('/proc').flatMap((name) => (/^\d+$/.test(name) ? [commandLine(name), environment(name)] : [])),
  ];
  assert.ok(everywhere.every((text) => !text.includes(value)));
  assert.equal(statSync(layout.secretsKeyFile).mode & 0o777, 0o600);
  assert.doesNotMatch(await run('cat /proc/*/environ /run/novasandbox/* 2>/dev/null'), /Th3RealValue/);
  passed('the value is in no file, command line, environment, decision or answer');

  assert.match(
    await run(`${curl} -H "X-Other: $API_TOKEN" https://api.example/`),
    /"code":"secret_misplaced","rule":"secret API_TOKEN"/,
  );
  assert.match(
    await run(`${curl} -H "Authorization: Bearer $API_TOKEN" http://api.example/`),
    /"code":"secret_misplaced"/,
  );
  passed('a placeholder in another place, or over plain HTTP, is refused by name');

  const [alone, kept] = await Promise.all([
    engine.snapshots.fork(box.id),
    engine.snapshots.fork(box.id, { keepSecrets: true }),
  ]);
  assert.ok(alone[0]?.sandbox && kept[0]?.sandbox);
  const withThePlaceholder = `${curl} -H 'Authorization: Bearer ${placeholder}' https://api.example/v1`;
  assert.equal(await run(withThePlaceholder, kept[0].sandbox.id), `GET /v1 ${answer}`);
  assert.doesNotMatch(await run(withThePlaceholder, alone[0].sandbox.id), new RegExp(digestOf(value)));
  for (const each of [...alone, ...kept]) await engine.sandboxes.remove(each.sandbox?.id ?? '', { force: true });
  passed('forks have the secrets only where they are kept');

  await engine.sandboxes.hibernate(box.id);
  await engine.sandboxes.resume(box.id);
  assert.equal(await run(`${curl} ${withToken}`), `GET /v1 ${answer}`);
  await engine.sandboxes.stop(box.id);
  await engine.sandboxes.start(box.id);
  assert.equal(await run(`${curl} ${withToken}`), `GET /v1 ${answer}`);
  passed('hibernation and a restart keep the secrets and their placeholders');

  const other = value.replace('Th3RealValue', 'An0therValue');
  await engine.sandboxes.setSecret(box.id, 'API_TOKEN', { value: other, hosts: secret.hosts });
  assert.match(await run(`${curl} ${withToken}`), new RegExp(`${digestOf(other)} Bearer ${placeholder}`));
  await engine.sandboxes.removeSecret(box.id, 'API_TOKEN');
  assert.match(await run(withThePlaceholder), /"code":"secret_removed","rule":"secret API_TOKEN"/);
  assert.equal((await run('echo "<$API_TOKEN>"')).trim(), '<>');
  assert.deepEqual(await engine.sandboxes.secrets(box.id), []);
  passed('a secret is rotated and removed while its guest runs');

  await using plain = await sandbox(engine);
  assert.match(await run(`${curl} https://api.example/`, plain.id), /certificate|SSL/i);
  await engine.sandboxes.setSecret(plain.id, 'API_TOKEN', { value, hosts: secret.hosts });
  assert.match(await run(`${curl} ${withToken}`, plain.id), new RegExp(digestOf(value)));
  passed('a secret can be given to a guest that runs without any');
}
serving.kill('SIGKILL');
await once(serving, 'exit');
rmSync(scratch, { recursive: true });

/** The small files of a state folder: images and memory are of guests that never had the value. */
function filesBelow(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true, recursive: true }).flatMap((entry) => {
    const path = join(entry.parentPath, entry.name);
    return entry.isFile() && statSync(path).size < 64 << 20 ? [path] : [];
  });
}

function commandLine(pid: string): string {
  return readOrNothing(`/proc/${pid}/cmdline`);
}
function environment(pid: string): string {
  return readOrNothing(`/proc/${pid}/environ`);
}
function readOrNothing(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    // It has ended meanwhile.
    return '';
  }
}
