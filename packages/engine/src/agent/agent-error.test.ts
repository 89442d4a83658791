import assert from 'node:assert/strict';
import test from 'node:test';
import type { ErrorCode } from '@novasandbox/protocol';
import { agentError } from './agent-error.ts';
import type { ErrorContext } from './errors.ts';
import { Fields, RecordWriter } from './record.ts';

function answer(code: string, context: ErrorContext, message = 'why', errno?: number): ReturnType<typeof agentError> {
  const record = new RecordWriter().string(1, code).string(2, message).integer(3, errno);
  return agentError(new Fields(record.finish()), context);
}

const table: [code: string, context: ErrorContext, expected: ErrorCode][] = [
  ['not_found', 'exec', 'command_not_found'],
  ['not_found', 'process', 'process_not_found'],
  ['not_found', 'file', 'file_not_found'],
  ['not_found', 'tunnel', 'connection_refused'],
  ['permission_denied', 'exec', 'command_not_executable'],
  ['permission_denied', 'process', 'permission_denied'],
  ['permission_denied', 'file', 'permission_denied'],
  ['unauthenticated', 'exec', 'unknown_user'],
  ['unauthenticated', 'file', 'unknown_user'],
  ['invalid_argument', 'exec', 'invalid_argument'],
  ['invalid_argument', 'file', 'invalid_argument'],
  ['already_exists', 'file', 'file_exists'],
  ['not_a_directory', 'file', 'not_a_directory'],
  ['is_a_directory', 'file', 'is_a_directory'],
  ['not_empty', 'file', 'directory_not_empty'],
  ['resource_exhausted', 'exec', 'guest_resource_exhausted'],
  ['resource_exhausted', 'file', 'guest_resource_exhausted'],
  ['unavailable', 'tunnel', 'connection_refused'],
  ['deadline_exceeded', 'tunnel', 'connection_refused'],
  ['deadline_exceeded', 'exec', 'command_timeout'],
  ['unimplemented', 'guest', 'not_implemented'],
  ['internal', 'guest', 'internal'],
  ['something_new', 'file', 'internal'],
  ['toString', 'file', 'internal'],
  ['', 'file', 'internal'],
];

for (const [code, context, expected] of table) {
  test(`${code === '' ? 'no code' : code} of ${context} is ${expected}`, () => {
    const error = answer(code, context, 'why', 2);
    assert.equal(error.code, expected);
    assert.equal(error.message, 'why');
    assert.deepEqual(error.details, { agentCode: code, errno: 2 });
    assert.ok(error.hint.length > 0);
  });
}

test('what the guest says is cut and cannot steer a terminal', () => {
  const error = answer('not_found', 'file', `\u001b[2J\u009b1mred\u202e${'x'.repeat(30_000)}\n`);
  assert.ok(error.message.startsWith('\ufffd[2J\ufffd1mred\ufffdxxx'));
  assert.equal(error.message.length, 1000);
  assert.equal(answer('a\nb', 'file').details['agentCode'], 'a\ufffdb');
});

test('a hook that failed is told with the end of its output, which cannot steer a terminal either', () => {
  const record = new RecordWriter()
    .string(1, 'hook_failed')
    .string(2, '/etc/nova/fork.d/10-x: ended with exit code 3')
    .string(4, '/etc/nova/fork.d/10-\u001bx')
    .string(5, `${'x'.repeat(5000)}\nred \u001b[31m\r\nlast\n`);
  const error = agentError(new Fields(record.finish()), 'guest');
  assert.equal(error.code, 'hook_failed');
  assert.equal(error.message, '/etc/nova/fork.d/10-x: ended with exit code 3');
  const { program, output } = error.details;
  assert.equal(program, '/etc/nova/fork.d/10-\ufffdx');
  assert.ok(typeof output === 'string' && output.length === 2048, String(output));
  assert.ok(output.endsWith('x\nred \ufffd[31m\ufffd\nlast\n'), output.slice(-40));
  assert.match(error.hint, /fork\.d/);
});

test('a guest whose kernel cannot do it is told from one whose agent does not know it', () => {
  assert.match(answer('unimplemented', 'guest', 'no such method').hint, /older than the host/);
  assert.match(answer('unimplemented', 'guest', 'no tcp_diag', 95).hint, /kernel/);
});

test("where the kernel's number says more, the hint follows it", () => {
  const hintOf = (code: string, errno: number, context: 'file' | 'exec'): string =>
    agentError(new Fields(new RecordWriter().string(1, code).string(2, 'm').integer(3, errno).finish()), context).hint;
  assert.match(hintOf('permission_denied', 30, 'file'), /read-only, also for root/);
  assert.match(hintOf('permission_denied', 13, 'file'), /such as root/);
  assert.match(hintOf('resource_exhausted', 28, 'file'), /disk is full/);
  assert.match(hintOf('invalid_argument', 40, 'file'), /circle/);
  assert.match(hintOf('permission_denied', 30, 'exec'), /executable/);
});
