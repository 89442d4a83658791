import { writeFileSync } from 'node:fs';
import { readNumbers, rustFile, typescriptFile } from './numbers.ts';
import { rustOf } from './rust.ts';
import { typescriptOf } from './typescript.ts';

// Writes the constants of both sides after a change to guest/protocol.json; a test compares them.
const numbers = readNumbers();
writeFileSync(typescriptFile, typescriptOf(numbers));
writeFileSync(rustFile, rustOf(numbers));
