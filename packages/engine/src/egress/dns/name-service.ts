import type { Socket as UdpSocket } from 'node:dgram';
import type { Socket } from 'node:net';
import { inBackground } from '../../ports/background.ts';
import type { Box } from '../box.ts';
import { endAtOnce } from '../proxy/end-at-once.ts';
import { isNamed, judgeName, type Verdict } from '../policy/judge.ts';
import { nameOf } from '../policy/names.ts';
import { remedyFor } from '../policy/remedy.ts';
import {
  parseQuery,
  recordTypes,
  responseCodes,
  writeAnswer,
  writeError,
  type Answer,
  type Question,
} from './message.ts';
import { explainingAddress } from './pinned-names.ts';

/** Types that no client needs, and that fit tunnels or copies of whole zones. */
const refusedTypes: ReadonlySet<number> = new Set([
  recordTypes.NULL,
  recordTypes.IXFR,
  recordTypes.AXFR,
  recordTypes.ANY,
]);

/**
 * The answer to a query. Nothing is asked of anybody for names that a rule names: the guest gets an address of ours,
 * and the name is resolved when it is connected to. So a query cannot carry anything out.
 */
function answerTo(box: Box, question: Question): Answer | Promise<Answer> {
  if (!question.isInternet || refusedTypes.has(question.type)) return { code: responseCodes.refused, address: null };
  const name = nameOf(question.name);
  const member = name === null ? undefined : box.memberAt(name);
  if (member === null) return { code: responseCodes.noSuchName, address: null };
  if (member !== undefined)
    return { code: responseCodes.none, address: question.type === recordTypes.A ? member : null };
  if (name === null) return denied(box, question, { ...noName, code: 'malformed' }, question.name);
  const verdict = judgeName(box.policy, name);
  // Nothing is resolved before somebody has allowed the connection.
  if (verdict.code === 'approval_needed') return pinned(box, question, name);
  if (!verdict.allowed) return denied(box, question, verdict, name);
  if (isNamed(box.policy, name)) return pinned(box, question, name);
  return ifThere(box, question, name);
}

const noName: Verdict = { allowed: false, code: 'malformed', rule: 'protocol', byAddress: false };
const none: Answer = { code: responseCodes.none, address: null };
const failed: Answer = { code: responseCodes.failed, address: null };

/** Where everything is allowed, the name has to exist, and to lead to an address that is no internal one. */
async function ifThere(box: Box, question: Question, name: string): Promise<Answer> {
  const found = await box.lookUp(name);
  if (found === 'failed' || found === 'limit') return failed;
  if (found.length === 0) return { code: responseCodes.noSuchName, address: null };
  const verdicts = found.map((address) => box.judgeAt({ host: name, address, port: 443 }));
  const [first] = verdicts;
  const isInternal = verdicts.every(({ code }) => code === 'internal_address');
  return isInternal && first !== undefined ? denied(box, question, first, name) : pinned(box, question, name);
}

function pinned(box: Box, question: Question, name: string): Answer {
  // Other types have no records. To say that there is no such name would make clients give up the address as well.
  if (question.type !== recordTypes.A) return none;
  const address = box.names.addressOf(name);
  if (address !== null) return { code: responseCodes.none, address };
  box.tell({ ...noName, code: 'limit', rule: 'limits' }, { host: name, address: null, port: 53 }, 'dns');
  return failed;
}

function denied(box: Box, question: Question, verdict: Verdict, name: string): Answer {
  const target = { host: name, address: null, port: 53 };
  // Most clients ask for every kind of address at once.
  if (question.type !== recordTypes.AAAA && question.type !== recordTypes.HTTPS) box.tell(verdict, target, 'dns');
  if (box.policy.policy.deniedNames === 'explained' && verdict.code !== 'malformed')
    return { code: responseCodes.none, address: question.type === recordTypes.A ? explainingAddress : null };
  const reason = `${verdict.code} (${verdict.rule}). ${remedyFor(verdict, target) ?? ''}`.trim();
  return { code: responseCodes.noSuchName, address: null, reason };
}

/** Answers the queries of a sandbox that come by UDP. */
export function serveNames(box: Box, socket: UdpSocket): void {
  // A datagram that cannot be sent is lost, as any may be.
  const send = (answer: Buffer | null, port: number, address: string): void => {
    if (answer !== null) socket.send(answer, port, address, () => undefined);
  };
  // For example, an answer could not be delivered.
  socket.on('error', () => undefined);
  socket.on('message', (message, { address, port }) => {
    const question = parseQuery(message);
    if ('code' in question) return send(writeError(question), port, address);
    if (isForOthers(box, question))
      return inBackground('passing a name query on', async () =>
        send(await box.queries.overUdp(box, message), port, address),
      );
    const answer = answerTo(box, question);
    if (!(answer instanceof Promise)) return send(writeAnswer(question, answer), port, address);
    inBackground('answering a name query', async () => send(writeAnswer(question, await answer), port, address));
  });
}

/** How long a client may take for a query, or between two, ms. */
const queryWithinMs = 10_000;

/** Answers the queries of a connection, one after the other. */
export function serveNameConnection(box: Box, socket: Socket): void {
  socket.on('error', () => undefined);
  if (!box.caps.enter()) return endAtOnce(socket);
  socket.once('close', () => box.caps.leave());
  socket.setTimeout(queryWithinMs, () => socket.destroy());
  answerConnection(box, socket).catch(() => socket.destroy());
}

async function answerConnection(box: Box, socket: Socket): Promise<void> {
  let received: Buffer = Buffer.alloc(0);
  for await (const chunk of socket as AsyncIterable<Buffer>) {
    received = Buffer.concat([received, chunk]);
    while (received.length >= 2 && received.length >= 2 + received.readUInt16BE(0)) {
      const end = 2 + received.readUInt16BE(0);
      const message = received.subarray(2, end);
      const question = parseQuery(message);
      received = received.subarray(end);
      const answer = await answerOverTcp(box, question, message);
      if (answer === null) return void socket.destroy();
      const length = Buffer.alloc(2);
      length.writeUInt16BE(answer.length);
      if (!socket.write(Buffer.concat([length, answer]))) await drained(socket);
    }
  }
  socket.end();
}

const answerOverTcp = async (
  box: Box,
  question: ReturnType<typeof parseQuery>,
  message: Buffer,
): Promise<Buffer | null> => {
  if ('code' in question) return writeError(question);
  if (isForOthers(box, question)) return box.queries.overTcp(box, message);
  return writeAnswer(question, await answerTo(box, question));
};

/** Without a policy only the names of private networks are answered here. */
function isForOthers(box: Box, question: Question): boolean {
  if (box.isGoverned) return false;
  const name = nameOf(question.name);
  return name === null || box.memberAt(name) === undefined;
}

function drained(socket: Socket): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const onClose = (): void => reject(new Error('The connection was closed.'));
  socket.once('drain', resolve).once('close', onClose);
  return promise.finally(() => socket.off('drain', resolve).off('close', onClose));
}
