import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isNovaError } from '@novasandbox/protocol';
import { canonicalImage, parseImage } from './reference.ts';

const digest = `sha256:${'a'.repeat(64)}`;

test('names of images are completed as container engines do', () => {
  const names = {
    alpine: 'docker.io/library/alpine:latest',
    'alpine:3.22': 'docker.io/library/alpine:3.22',
    'owner/name': 'docker.io/owner/name:latest',
    'index.docker.io/owner/name': 'docker.io/owner/name:latest',
    'localhost/name': 'localhost/name:latest',
    'host:5000/a/b__c:T-1': 'host:5000/a/b__c:T-1',
    'GHCR.io/a/b': 'ghcr.io/a/b:latest',
    '[::1]:5000/a': '[::1]:5000/a:latest',
    [`a/b@${digest}`]: `docker.io/a/b:latest@${digest}`,
    'docker:name:tag': 'docker:name:tag',
    'podman:localhost/name': 'podman:localhost/name',
    // A registry on a host of that name, and not an image of the engine.
    'docker:5000/name': 'docker:5000/name:latest',
    '/a/../b': '/a/../b',
  };
  for (const [name, whole] of Object.entries(names)) assert.equal(canonicalImage(name), whole);
  const path = parseImage('./x.tar');
  assert.ok(path.type === 'path' && path.path.startsWith('/') && path.path.endsWith('/x.tar'));
});

test('what is no name of an image is refused', () => {
  for (const name of [
    '',
    ' ',
    'Alpine',
    'a//b',
    'a:',
    'a@b',
    `a@${digest}@${digest}`,
    'a b',
    'http://a/b',
    '-a',
    'a/..',
    'docker:-x',
  ]) {
    assert.throws(
      () => parseImage(name),
      (error) => isNovaError(error, 'invalid_argument'),
      JSON.stringify(name),
    );
  }
});
