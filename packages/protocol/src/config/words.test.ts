import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NovaError } from '../errors.ts';
import { inWordsOfLibrary, inWordsOfRest } from './words.ts';

test('an error names the fields of REST, and those of the library again', () => {
  const problem = 'this host has 512 MiB; leave out hostPort, or set enableNetwork: true';
  const error = new NovaError('invalid_argument', `memoryMb: ${problem}; env.A: is wrong`, {
    hint: 'Raise bootTimeoutMs.',
    details: { most: 512, issues: [{ field: 'env.A', problem: 'is wrong' }] },
  });
  const rest = inWordsOfRest(error) as NovaError;
  assert.equal(
    rest.message,
    'memory_mb: this host has 512 MiB; leave out host_port, or set network: true; environment.A: is wrong',
  );
  assert.equal(rest.hint, 'Raise boot_timeout_seconds.');
  assert.deepEqual(rest.details, { most: 512, issues: [{ field: 'environment.A', problem: 'is wrong' }] });
  const library = inWordsOfLibrary(rest) as NovaError;
  assert.equal(library.message, error.message.replace('enableNetwork', 'network'));
  assert.deepEqual([library.hint, library.details], [error.hint, error.details]);
});

test('what names no field stays as it is', () => {
  for (const error of [
    new NovaError('boot_failed', 'The name of the user: none.', { hint: '' }),
    new Error('memoryMb: x'),
  ])
    assert.equal(inWordsOfRest(error), error);
});
