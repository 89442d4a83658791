/** The messages of the domain name system (RFC 1035) that the name service of a sandbox needs: one question, A. */

export const recordTypes = { A: 1, NULL: 10, AAAA: 28, OPT: 41, HTTPS: 65, IXFR: 251, AXFR: 252, ANY: 255 } as const;
export const responseCodes = { none: 0, malformed: 1, failed: 2, noSuchName: 3, unknown: 4, refused: 5 } as const;
type ResponseCode = (typeof responseCodes)[keyof typeof responseCodes];
/** The code of extended errors (RFC 8914) for what a policy blocks. */
const blocked = 15;

const headerBytes = 12;
const internet = 1;
/** Size of messages that UDP carries without fragments (RFC 9715), bytes. */
const udpBytes = 1232;

export interface Question {
  readonly id: number;
  /** As asked. Empty for the root. */
  readonly name: string;
  readonly type: number;
  readonly isInternet: boolean;
  readonly recursionDesired: boolean;
  /** Whether the query has an OPT record, so that the answer may have one. */
  readonly extended: boolean;
  /** The question as it was sent. */
  readonly bytes: Buffer;
}

/** A query that no answer but an error fits; `id` is null where it is not even a query. */
export interface BadQuery {
  readonly id: number | null;
  readonly code: ResponseCode;
}

/** Reads a query. It never throws, whatever the bytes are. */
export function parseQuery(message: Buffer): Question | BadQuery {
  if (message.length < headerBytes) return { id: null, code: responseCodes.malformed };
  const id = message.readUInt16BE(0);
  const flags = message.readUInt16BE(2);
  // It is an answer, and an answer to it could go back and forth for ever.
  if ((flags & 0x8000) !== 0) return { id: null, code: responseCodes.malformed };
  if ((flags & 0x7800) !== 0) return { id, code: responseCodes.unknown };
  const [questions, answers] = [message.readUInt16BE(4), message.readUInt16BE(6)];
  if (questions !== 1 || answers !== 0) return { id, code: responseCodes.malformed };
  const read = readName(message, headerBytes);
  if (read === null || read.end + 4 > message.length) return { id, code: responseCodes.malformed };
  const end = read.end + 4;
  return {
    id,
    name: read.name,
    type: message.readUInt16BE(read.end),
    isInternet: message.readUInt16BE(read.end + 2) === internet,
    recursionDesired: (flags & 0x0100) !== 0,
    extended: hasOptions(message, end),
    bytes: message.subarray(headerBytes, end),
  };
}

/** Names of questions have no pointers. Bytes that are not printable make no name that a policy could have. */
function readName(message: Buffer, start: number): { readonly name: string; readonly end: number } | null {
  const labels: string[] = [];
  let at = start;
  for (;;) {
    const length = message[at];
    if (length === undefined || length > 63 || at + 1 + length > message.length || at - start > 253) return null;
    if (length === 0) return { name: labels.join('.'), end: at + 1 };
    const label = message.toString('latin1', at + 1, at + 1 + length);
    if (!/^[\x21-\x7e]+$/.test(label) || label.includes('.')) return null;
    labels.push(label);
    at += 1 + length;
  }
}

/** Only the usual place is looked at: the first additional record, right after the question. */
const hasOptions = (message: Buffer, end: number): boolean =>
  message.readUInt16BE(10) > 0 &&
  message.readUInt16BE(8) === 0 &&
  message.length >= end + 11 &&
  message[end] === 0 &&
  message.readUInt16BE(end + 1) === recordTypes.OPT;

export interface Answer {
  readonly code: ResponseCode;
  /** Null: the name has no record of that type. */
  readonly address: string | null;
  /** Why a policy blocks it. */
  readonly reason?: string | undefined;
}

/** Seconds that guests may keep an address. It stays the same for as long as the sandbox lives. */
const addressSeconds = 60;

export function writeAnswer(question: Question, { code, address, reason }: Answer): Buffer {
  const parts = [header(question.id, question.recursionDesired, code), question.bytes];
  if (address !== null) {
    const record = Buffer.from([0xc0, headerBytes, 0, recordTypes.A, 0, internet, 0, 0, 0, addressSeconds, 0, 4]);
    parts.push(record, Buffer.from(address.split('.').map(Number)));
  }
  if (question.extended) parts.push(options(reason));
  const answer = Buffer.concat(parts);
  answer.writeUInt16BE(1, 4);
  answer.writeUInt16BE(address === null ? 0 : 1, 6);
  answer.writeUInt16BE(question.extended ? 1 : 0, 10);
  return answer;
}

/** The answer to what is no proper query; null where there is nobody to answer. */
export function writeError({ id, code }: BadQuery): Buffer | null {
  return id === null ? null : header(id, false, code);
}

function header(id: number, recursionDesired: boolean, code: ResponseCode): Buffer {
  const bytes = Buffer.alloc(headerBytes);
  bytes.writeUInt16BE(id, 0);
  // It is an answer, and recursion is available.
  bytes.writeUInt16BE(0x8080 | (recursionDesired ? 0x0100 : 0) | code, 2);
  return bytes;
}

const reasonBytes = 256;
function options(reason: string | undefined): Buffer {
  const text = Buffer.from((reason ?? '').slice(0, reasonBytes), 'latin1');
  const data = reason === undefined ? Buffer.alloc(0) : Buffer.concat([extendedError(text.length), text]);
  const record = Buffer.alloc(11);
  record.writeUInt16BE(recordTypes.OPT, 1);
  record.writeUInt16BE(udpBytes, 3);
  record.writeUInt16BE(data.length, 9);
  return Buffer.concat([record, data]);
}

function extendedError(textBytes: number): Buffer {
  const head = Buffer.alloc(6);
  head.writeUInt16BE(15, 0);
  head.writeUInt16BE(2 + textBytes, 2);
  head.writeUInt16BE(blocked, 4);
  return head;
}
