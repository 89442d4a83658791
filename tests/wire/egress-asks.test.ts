import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, before, test } from 'node:test';
import { networkPolicySchema, type Decision, type NetworkPolicyInput } from '@novasandbox/protocol';
import type { Answer, Question, Tiding } from '../../packages/engine/src/ports/egress.ts';
import { eventually } from '../support/eventually.ts';
import { makeEgressWorld, type EgressWorld } from '../support/egress-world.ts';
import { assertNoLeaks } from '../support/leaks.ts';
import { whyNoSlots } from '../support/slots.ts';
import { testHome, type TestHome } from '../support/test-home.ts';

/**
 * Questions about connections at the wire: a guest whose policy asks, the egress process that holds its connections,
 * and servers beyond it, in network namespaces.
 */
const skip = await whyNoSlots();
let home: TestHome;
let world: EgressWorld;

before(async () => {
  if (skip !== false) return;
  home = await testHome();
  world = await makeEgressWorld(home.layout);
});
after(async () => {
  if (skip !== false) return;
  await world[Symbol.asyncDispose]();
  await assertNoLeaks(home.layout);
  await home[Symbol.asyncDispose]();
});

const asking: NetworkPolicyInput = {
  rules: [
    { action: 'deny', host: 'denied.wild.test' },
    { action: 'allow', host: 'allowed.test', ports: [80] },
  ],
  otherwise: 'ask',
};
/** Serves the box with no answers but these. */
const serve = (policy: NetworkPolicyInput = asking, answers: readonly Answer[] = []): Promise<void> =>
  world.egress.serve('box', {
    slot: world.slot,
    policy: networkPolicySchema.parse(policy),
    answers,
    ...{ names: [], memberships: [], hostnames: [] },
  });
const curl = (...words: string[]): Promise<string> =>
  world.guest.run('curl', '--noproxy', '*', '-sS', '--max-time', '30', ...words);
const bodyOf = async (url: string): Promise<Record<string, unknown>> => JSON.parse(await curl(url));
const decisions = (): Promise<Decision[]> => Array.fromAsync(world.egress.decisions('box'));

async function asked(host: string): Promise<Question> {
  let found: Question | undefined;
  await eventually(`a question about ${host}`, async () => {
    found = (await world.egress.questions()).find((each) => (each.host ?? each.address) === host);
    return found !== undefined;
  });
  assert.ok(found !== undefined);
  return found;
}
const answerWith = (id: string, action: 'allow' | 'deny', more: Partial<Answer> = {}): Promise<boolean> =>
  world.egress.answer('box', [{ id, action, once: false, untilMs: null, ...more }]);

test('a connection is held until it is allowed, and nothing is looked up before', { skip }, async () => {
  await serve();
  const before = (await world.seen()).names.length;
  const held = bodyOf('http://other.test/held');
  const { id, port, sandbox } = await asked('other.test');
  assert.deepEqual([port, sandbox], [80, 'box']);
  assert.equal((await world.seen()).names.length, before, 'no query has left');
  assert.equal(await answerWith(id, 'allow'), true);
  assert.equal((await held)['url'], '/held');
  assert.deepEqual(await world.egress.questions(), []);
  // The answer holds for the session, on that port alone.
  assert.equal((await bodyOf('http://other.test/again'))['url'], '/again');
  const approved = (await decisions()).findLast(({ host, action }) => host === 'other.test' && action === 'allow');
  assert.deepEqual([approved?.rule, approved?.approval], ['approval', id]);
  // Another answer ends what the first has let through, and denies what comes later.
  const send = 'GET /events HTTP/1.1\r\nHost: other.test\r\n\r\n';
  await world.ask({ kind: 'open', host: 'other.test', port: 80, send, count: 1 });
  const isOpen = async (): Promise<boolean> => (await world.ask({ kind: 'count' })).received === '1';
  await eventually('it is answered', async () => (await decisions()).some(({ path }) => path === '/events'));
  assert.equal(await isOpen(), true);
  await answerWith(id, 'deny');
  await eventually('it has ended', async () => !(await isOpen()));
  const denied = await bodyOf('http://other.test/');
  assert.deepEqual([denied['code'], denied['rule'], denied['approval']], ['denied', 'approval', id]);
});

test('an answer for one connection lets one through, also one that comes later', { skip }, async () => {
  await serve();
  const held = bodyOf('http://once.wild.test/held');
  const { id } = await asked('once.wild.test');
  await answerWith(id, 'allow', { once: true });
  assert.equal((await held)['url'], '/held');
  // The next one is asked about anew, under the same id.
  const second = bodyOf('http://once.wild.test/second');
  assert.equal((await asked('once.wild.test')).id, id);
  await answerWith(id, 'deny', { once: true });
  assert.equal((await second)['code'], 'denied');
  // Nobody waits for it when it comes.
  await answerWith(id, 'allow', { once: true });
  assert.equal((await bodyOf('http://once.wild.test/later'))['url'], '/later');
  await answerWith(id, 'allow', { once: true, untilMs: Date.now() - 1 });
  const late = bodyOf('http://once.wild.test/late');
  assert.equal((await asked('once.wild.test')).id, id, 'its time is over');
  await answerWith(id, 'deny', { once: true });
  await late;
});

test('without an answer it is denied after some seconds, with the id; a retry finds the answer', { skip }, async () => {
  await serve();
  const [plain, secure] = await Promise.all([
    bodyOf('http://late.wild.test/'),
    world.ask({ kind: 'tls', host: 'late.wild.test', servername: 'late.wild.test' }),
  ]);
  assert.equal(plain['code'], 'approval_needed');
  assert.match(String(plain['remedy']), new RegExp(`nova policy approve ${String(plain['approval'])}`));
  assert.equal(secure.error, 'ECONNRESET');
  assert.ok(secure.ms > 7000 && secure.ms < 20_000, `it was held for ${secure.ms} ms`);
  const questions = (await world.egress.questions()).filter(({ host }) => host === 'late.wild.test');
  assert.deepEqual(new Set(questions.map(({ port }) => port)), new Set([80, 443]), 'one for each port');
  assert.equal(questions.length, 2);
  await answerWith(questions.find(({ port }) => port === 443)?.id ?? '', 'allow');
  const { received } = await world.ask({ kind: 'tls', host: 'late.wild.test', servername: 'late.wild.test' });
  assert.match(received, /"serverName":"late\.wild\.test"/);
});

test('nobody is asked about what a rule decides, nor about internal addresses', { skip }, async () => {
  await serve();
  assert.equal((await bodyOf('http://allowed.test/'))['url'], '/');
  await assert.rejects(curl('http://denied.wild.test/'), /Could not resolve/);
  assert.equal((await bodyOf('http://169.254.169.254/'))['code'], 'internal_address');
  assert.equal((await bodyOf('http://10.9.8.7/'))['code'], 'internal_address');
  assert.deepEqual(await world.egress.questions(), []);
  // An address that is public is asked about, and what an answer lets through is judged at its address all the same.
  const held = bodyOf('http://198.51.100.3/');
  await answerWith((await asked('198.51.100.3')).id, 'allow');
  assert.equal((await held)['url'], '/');
});

test('a change of the policy decides about those that wait', { skip }, async () => {
  await serve();
  const held = bodyOf('http://changed.wild.test/');
  await asked('changed.wild.test');
  await serve({ ...asking, rules: [{ action: 'allow', host: '*.wild.test' }] });
  assert.equal((await held)['url'], '/');
  assert.deepEqual(await world.egress.questions(), []);
});

test('more questions than somebody can answer are denied, and the others stand', { skip }, async () => {
  await serve();
  const names = Array.from({ length: 70 }, (_, index) => `n${index}.wild.test:2222`);
  await curl('--parallel', '--parallel-max', '70', ...names.map((each) => `http://${each}/`));
  const codes = (await decisions()).filter(({ host }) => /^n\d+\./.test(host ?? '')).map(({ code }) => code);
  assert.deepEqual([codes.filter((each) => each === 'limit').length, codes.length], [6, 70]);
  assert.equal((await world.egress.questions()).length, 64);
});

test('who follows hears of questions and denials; what is let through is known for a policy', { skip }, async () => {
  await world.egress.forget('box');
  await serve();
  const ending = new AbortController();
  const heard: Tiding[] = [];
  const listening = (async () => {
    for await (const tiding of world.egress.tidings(ending.signal)) heard.push(tiding);
  })().catch(() => undefined);
  // Nobody knows when the listener has begun to listen.
  await eventually('it hears of denials', async () => {
    await bodyOf('http://10.9.8.7/');
    return heard.some(({ kind }) => kind === 'denied');
  });
  const held = bodyOf('http://told.wild.test/');
  await eventually('it hears of the question', () =>
    Promise.resolve(heard.some((each) => each.kind === 'asked' && each.question.host === 'told.wild.test')),
  );
  await answerWith((await asked('told.wild.test')).id, 'allow');
  await held;
  ending.abort();
  await listening;
  await bodyOf('http://allowed.test/a/b?key=secret');
  const { contacts, complete } = (await world.egress.contacts('box')) ?? { contacts: [], complete: false };
  assert.equal(complete, true);
  assert.deepEqual(
    contacts.map(({ host, port, requests }) => [host, port, requests]),
    [
      ['told.wild.test', 80, [{ method: 'GET', path: '/' }]],
      ['allowed.test', 80, [{ method: 'GET', path: '/a/' }]],
    ],
  );
});

test('answers outlive the process with those who serve it again; what was asked is asked anew', { skip }, async () => {
  await serve();
  const held = curl('http://kept.wild.test/').catch(() => 'refused');
  const { id } = await asked('kept.wild.test');
  const ended = once(world.process, 'exit');
  world.process.kill('SIGKILL');
  await ended;
  assert.equal(await held, 'refused');
  assert.equal(await answerWith(id, 'allow'), false, 'nobody is served');
  await world.restart();
  await serve(asking, [{ id, action: 'allow', once: false, untilMs: null }]);
  assert.equal((await bodyOf('http://kept.wild.test/'))['url'], '/');
  const again = bodyOf('http://new.wild.test/');
  await answerWith((await asked('new.wild.test')).id, 'deny');
  assert.equal((await again)['code'], 'denied');
});
