import assert from 'node:assert/strict';
import { test } from 'node:test';
import { networkPolicySchema, requireSupported, type NetworkPolicyInput } from '@novasandbox/protocol';
import { surroundingsOf } from './addresses.ts';
import { compile } from './compile.ts';
import { judge, judgeAddress, judgeName, needsReading, type Target } from './judge.ts';
import { remedyFor } from './remedy.ts';

const policyOf = (policy: NetworkPolicyInput) => compile(networkPolicySchema.parse(policy));
const surroundings = surroundingsOf(() => ({}));

/** A target written as `host:port`, or as `host@address:port`. */
function to(text: string, request?: Target['request']): Target {
  const [, host = '', address, port] = /^([^@]*?)(?:@([^:]*))?:(\d+)$/.exec(text) ?? [];
  return { host: host === '' ? null : host, address: address ?? null, port: Number(port), request };
}

test('the first rule that matches decides, and otherwise the rest', () => {
  const policy = policyOf({
    rules: [
      { action: 'deny', host: 'gist.example.com' },
      { action: 'allow', host: '*.example.com', ports: [443, '8000-8100'] },
      { action: 'allow', host: 'Example.com', name: 'the site' },
      { action: 'allow', cidr: '192.0.2.0/24', ports: [22] },
    ],
  });
  const rows: readonly [string, boolean, string][] = [
    ['gist.example.com:443', false, 'deny gist.example.com'],
    ['api.example.com:443', true, 'allow *.example.com:443,8000-8100'],
    ['a.b.example.com:8050', true, 'allow *.example.com:443,8000-8100'],
    ['api.example.com:80', false, 'otherwise'],
    ['example.com:1', true, 'the site'],
    ['evilexample.com:443', false, 'otherwise'],
    ['.example.com:443', false, 'otherwise'],
    ['@192.0.2.77:22', true, 'allow 192.0.2.0/24:22'],
    ['@192.0.3.1:22', false, 'otherwise'],
    // The name does not matter where the address is allowed.
    ['elsewhere.test@192.0.2.1:22', true, 'allow 192.0.2.0/24:22'],
  ];
  for (const [text, allowed, rule] of rows) {
    const verdict = judge(policy, to(text));
    assert.deepEqual([verdict.allowed, verdict.rule], [allowed, rule], text);
  }
});

test('* covers everything, also addresses without a name', () => {
  const policy = policyOf({ rules: [{ action: 'allow', host: '*', ports: [443] }] });
  assert.ok(judge(policy, to('any.test:443')).allowed);
  assert.ok(judge(policy, to('@192.0.2.1:443')).allowed);
  assert.ok(!judge(policy, to('any.test:80')).allowed);
});

test('a preset is its hosts with their ports', () => {
  const policy = policyOf({ rules: [{ action: 'allow', preset: 'github' }] });
  assert.ok(judge(policy, to('github.com:22')).allowed);
  assert.ok(judge(policy, to('api.github.com:443')).allowed);
  assert.ok(!judge(policy, to('api.github.com:22')).allowed);
  assert.ok(!judge(policy, to('example.github.io:443')).allowed);
});

test('rules about requests see only plain requests, and paths that can be read in one way', () => {
  const policy = policyOf({
    rules: [
      { action: 'deny', host: 'a.test', paths: ['/private'], ports: [80] },
      { action: 'allow', host: 'a.test', methods: ['GET'], paths: ['/api/v1', '/'], ports: [80] },
      { action: 'allow', host: 'b.test', paths: ['/only'], ports: [80] },
    ],
  });
  const get = (host: string, path: string, method = 'GET') => judge(policy, to(`${host}:80`, { method, path })).allowed;
  assert.ok(get('a.test', '/api/v1/x?q=/private'));
  assert.ok(!get('a.test', '/api/v1', 'POST'));
  assert.ok(get('b.test', '/only/this'));
  assert.ok(!get('b.test', '/onlythis'));
  for (const path of [
    '/private',
    '/private/x',
    '/%70rivate/x',
    '/a/../private',
    '/a/%2e%2e/private',
    '/a/..%2fprivate',
  ])
    assert.ok(!get('a.test', path), path);
  for (const path of ['//private', '/.%5cprivate', '/\\private', '/%2570rivate', '/a;/private', '/%ff', 'private'])
    assert.ok(!get('a.test', path) && !get('b.test', path), path);
  // No rule about requests allows a connection that is not seen to be one; each that denies requests denies it.
  assert.equal(judge(policy, to('b.test:80')).rule, 'otherwise');
  assert.equal(judge(policy, to('a.test:80')).code, 'denied');
});

test('a connection with requests to come is allowed where any of them may be, and read where a rule needs it', () => {
  const policy = policyOf({
    rules: [
      { action: 'deny', host: 'a.test', paths: ['/private'] },
      { action: 'allow', host: 'a.test', ports: [443] },
      { action: 'allow', host: 'b.test', methods: ['GET'] },
      { action: 'allow', host: 'c.test' },
      { action: 'allow', host: 'd.test', intercept: true },
    ],
  });
  const isAllowed = (name: string): boolean => judge(policy, to(`${name}:443`, 'to come')).allowed;
  assert.deepEqual(['a.test', 'b.test', 'c.test', 'd.test', 'e.test'].map(isAllowed), [true, true, true, true, false]);
  const isRead = (name: string): boolean => needsReading(policy, to(`${name}:443`));
  assert.deepEqual(['a.test', 'b.test', 'c.test', 'd.test', 'e.test'].map(isRead), [true, true, false, true, false]);
  assert.equal(needsReading(policy, { host: null, address: '192.0.2.1', port: 443 }), false);
});

test('internal addresses are refused wherever a name leads, unless a rule names their range', () => {
  const open = policyOf({ otherwise: 'allow', rules: [{ action: 'allow', cidr: '0.0.0.0/0' }] });
  const internal = [
    ...['127.0.0.1', '10.0.0.1', '172.31.255.255', '192.168.1.1', '169.254.169.254', '100.100.100.200', '0.0.0.0'],
    ...['198.18.0.1', '198.19.3.4', '224.0.0.1', '255.255.255.255', '192.0.0.192', '168.63.129.16'],
    ...[
      '::1',
      '::',
      '::ffff:8.8.8.8',
      '64:ff9b::a9fe:a9fe',
      'fe80::1',
      'fd00:ec2::254',
      '2002:a9fe:a9fe::1',
      'ff02::1',
    ],
  ];
  for (const address of internal)
    assert.equal(
      judgeAddress(open, { host: 'x.test', address, port: 80 }, surroundings).code,
      'internal_address',
      address,
    );
  for (const address of ['8.8.8.8', '172.32.0.1', '100.128.0.1', '2606:4700::1111'])
    assert.ok(judgeAddress(open, { host: 'x.test', address, port: 80 }, surroundings).allowed, address);

  const named = policyOf({
    rules: [
      { action: 'allow', cidr: '10.1.0.0/16', ports: [5432] },
      { action: 'allow', host: 'db.test' },
    ],
  });
  const at = (address: string, port = 5432) =>
    judgeAddress(named, { host: 'db.test', address, port }, surroundings).allowed;
  assert.ok(at('10.1.2.3'));
  assert.ok(!at('10.2.0.1'));
  assert.ok(!at('10.1.2.3', 22));
  // A rule cannot name what is nobody's: these are addresses of ours.
  const ours = policyOf({ rules: [{ action: 'allow', cidr: '198.18.0.0/15' }] });
  assert.ok(!judgeAddress(ours, { host: null, address: '198.18.0.9', port: 80 }, surroundings).allowed);
});

test("the host's own public addresses are internal", () => {
  const own = surroundingsOf(() => ({ eth0: [{ address: '203.0.113.5' }] as never }));
  const target: Target & { address: string } = { host: 'me.test', address: '203.0.113.5', port: 22 };
  assert.equal(judgeAddress(policyOf({ otherwise: 'allow' }), target, own).code, 'internal_address');
  const named = policyOf({ otherwise: 'allow', rules: [{ action: 'allow', cidr: '203.0.113.5' }] });
  assert.ok(judgeAddress(named, target, own).allowed);
});

test('a range that is denied is denied by whatever name', () => {
  const policy = policyOf({
    rules: [
      { action: 'deny', cidr: '8.8.0.0/16' },
      { action: 'allow', host: '*' },
    ],
  });
  assert.ok(judge(policy, to('dns.test:443')).allowed);
  assert.equal(judgeAddress(policy, { host: 'dns.test', address: '8.8.4.4', port: 443 }, surroundings).code, 'denied');
});

test('a name is resolved where anything about it may be allowed', () => {
  const policy = policyOf({
    rules: [
      { action: 'deny', host: 'a.test', ports: [22] },
      { action: 'deny', host: 'b.test' },
      { action: 'allow', host: '*.test', ports: [443] },
      { action: 'allow', host: 'a.test' },
      { action: 'allow', cidr: '0.0.0.0/0' },
    ],
  });
  assert.ok(judgeName(policy, 'a.test').allowed);
  assert.equal(judgeName(policy, 'b.test').code, 'denied');
  // A rule about addresses lets no name out to the name servers.
  assert.equal(judgeName(policy, 'secret.evil.example').code, 'not_allowed');
});

test('a denial says what to change', () => {
  const policy = policyOf({ rules: [{ action: 'deny', host: '*.evil.test' }] });
  const remedy = (text: string) => remedyFor(judge(policy, to(text)), to(text)) ?? '';
  assert.match(remedy('api.github.com:443'), /--allow api\.github\.com,.*preset github/);
  assert.match(remedy('x.evil.test:443'), /Remove the rule "deny \*\.evil\.test"/);
  assert.match(remedy('@192.0.2.1:22'), /--allow 192\.0\.2\.1\/32/);
});

test('rules that cannot be enforced are refused', () => {
  const check = (rule: NonNullable<NetworkPolicyInput['rules']>[number]) => () =>
    requireSupported(networkPolicySchema.parse({ rules: [rule] }));
  const rules: NonNullable<NetworkPolicyInput['rules']> = [
    { action: 'allow', host: 'a.test', protocol: 'udp' },
    { action: 'allow', cidr: '192.0.2.0/24', paths: ['/x'] },
    { action: 'allow', cidr: '192.0.2.7', methods: ['GET'], ports: ['400-500'] },
  ];
  for (const rule of rules) assert.throws(check(rule), { code: 'not_implemented' }, JSON.stringify(rule));
  check({ action: 'allow', cidr: '192.0.2.7', methods: ['GET'], ports: [80, 8080] })();
  check({ action: 'allow', host: 'a.test', paths: ['/x'] })();
});

test('the schema refuses what is no host, range, path or single target', () => {
  const wrong = [
    ...['1.2.3.4', '2130706433', '0x7f.1', '0x7f000001', 'a..b', '-a.test', '*.*.test', 'a.*', 'ä.test', 'a b', ''],
    ...['a/b', 'a:80', `${'a'.repeat(64)}.test`, `${'a.'.repeat(127)}test`],
  ].map((host) => ({ host }));
  const ranges = ['10.0.0.0/33', '10.0.0', '10.0.0.256', '::1/128', '010.0.0.1'].map((cidr) => ({ cidr }));
  const paths = ['x', '/../x', '/a/./b', '/%2e', '/a?b', '/a#b', '/\\'].map((path) => ({
    host: 'a.test',
    paths: [path],
  }));
  const ports = [0, 65_536, '9-8', '0-5', '1-70000', 'x'].map((port) => ({ host: 'a.test', ports: [port] }));
  for (const rule of [...wrong, ...ranges, ...paths, ...ports, {}, { host: 'a.test', cidr: '10.0.0.0/8' }])
    assert.ok(
      !networkPolicySchema.safeParse({ rules: [{ action: 'allow', ...rule }] }).success,
      JSON.stringify(rule).slice(0, 100),
    );
});
