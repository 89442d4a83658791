import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openApiDocument } from './document.ts';
import { notYetDocument } from './not-yet.ts';

// Writes docs/openapi.json and docs/not-yet.md after a change to the routes or their schemas. A test checks that they
// are up to date.
const docs = join(import.meta.dirname, '../../../../docs');
writeFileSync(join(docs, 'openapi.json'), `${JSON.stringify(openApiDocument(), null, 2)}\n`);
writeFileSync(join(docs, 'not-yet.md'), notYetDocument());
