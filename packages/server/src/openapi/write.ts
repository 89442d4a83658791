import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openApiDocument } from './document.ts';

// Writes docs/openapi.json anew, after a change to the table of routes or its schemas; a test compares the two.
const file = join(import.meta.dirname, '../../../../docs/openapi.json');
writeFileSync(file, `${JSON.stringify(openApiDocument(), null, 2)}\n`);
