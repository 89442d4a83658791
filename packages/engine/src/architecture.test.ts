import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isNovaError } from '@novasandbox/protocol';
import { architectures, guestArchitecture, guestArchitectures, hostArchitecture } from './architecture.ts';

test("guests are for the host's own processor unless they ask for another that it can emulate", () => {
  const own = hostArchitecture();
  assert.equal(guestArchitecture(), own);
  assert.equal(guestArchitectures()[0], own);
  for (const each of Object.values(architectures)) {
    if (each === own || each.cross !== null) {
      assert.equal(guestArchitecture(each.name), each);
    } else {
      assert.throws(
        () => guestArchitecture(each.name),
        (error) => isNovaError(error, 'feature_unsupported'),
      );
    }
  }
});
