import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fieldDocuments } from './field-documents.ts';
import { root } from './workspace.ts';

/** Writes everything that is generated from the table of config fields. */
for (const { file, text } of fieldDocuments) {
  const path = join(root, file);
  const before = readFileSync(path, { encoding: 'utf8', flag: 'a+' });
  const now = text(before);
  if (now === before) continue;
  writeFileSync(path, now);
  process.stdout.write(`${file} is written anew\n`);
}
