import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { routes, type Route } from '@novasandbox/protocol/api';
import { openApiDocument } from './document.ts';

const file = join(import.meta.dirname, '../../../../docs/openapi.json');

interface Operation {
  readonly operationId: string;
  readonly 'x-status'?: string;
  readonly responses: Readonly<Record<string, unknown>>;
}

test('docs/openapi.json is what the table of routes says (write it anew with openapi/write.ts)', () => {
  const committed: unknown = JSON.parse(readFileSync(file, 'utf8'));
  assert.deepEqual(committed, JSON.parse(JSON.stringify(openApiDocument())));
});

test('every route stands in the document, and those that are not there yet say so', () => {
  const paths = openApiDocument()['paths'] as Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  const operations = Object.values(paths).flatMap((methods) => Object.values(methods));
  assert.deepEqual(operations.map(({ operationId }) => operationId).toSorted(), Object.keys(routes).toSorted());
  for (const operation of operations) {
    const route: Route = routes[operation.operationId as keyof typeof routes];
    assert.equal(operation['x-status'] === 'not_implemented', route.missing !== undefined, operation.operationId);
    const successes = Object.keys(operation.responses).filter((status) => /^[12]/.test(status));
    assert.equal(successes.length === 0, route.missing !== undefined, operation.operationId);
  }
});
