import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { routes, type Route } from '@novasandbox/protocol/api';
import { notYet } from '../http/not-yet.ts';
import { openApiDocument } from './document.ts';
import { notYetDocument } from './not-yet.ts';

const docs = join(import.meta.dirname, '../../../../docs');

interface Operation {
  readonly operationId: string;
  readonly responses: Readonly<Record<string, unknown>>;
}

test('docs/openapi.json is what the table of routes says (write it anew with openapi/write.ts)', () => {
  const committed: unknown = JSON.parse(readFileSync(join(docs, 'openapi.json'), 'utf8'));
  assert.deepEqual(committed, JSON.parse(JSON.stringify(openApiDocument())));
});

test('every route stands in the document with the answer to a success', () => {
  const paths = openApiDocument()['paths'] as Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  const operations = Object.values(paths).flatMap((methods) => Object.values(methods));
  assert.deepEqual(operations.map(({ operationId }) => operationId).toSorted(), Object.keys(routes).toSorted());
  for (const { operationId, responses } of operations)
    assert.ok(
      Object.keys(responses).some((status) => /^[12]/.test(status)),
      operationId,
    );
});

test('docs/not-yet.md is what answers `not_implemented` (write it anew with openapi/write.ts)', () => {
  assert.equal(readFileSync(join(docs, 'not-yet.md'), 'utf8'), notYetDocument());
});

test('what is not there yet is no route, and no route takes its requests', () => {
  const made = Object.values<Route>(routes).map(({ method, path }) => `${method} ${path}`);
  const taken = Object.values<Route>(routes).map(
    ({ method, path }) => new RegExp(`^${method} ${path.replaceAll(/\{\w+\}/g, '[^/]+')}$`),
  );
  const coming = notYet.flatMap(({ calls }) => calls.map(([method, path]) => `${method} ${path}`));
  assert.equal(new Set([...made, ...coming]).size, made.length + coming.length);
  for (const call of coming) assert.ok(!taken.some((pattern) => pattern.test(call)), call);
});
