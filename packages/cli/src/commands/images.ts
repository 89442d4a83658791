import type { Command } from 'commander';
import { addListing } from './template.ts';

export function define(command: Command): void {
  addListing(command).addHelpText(
    'after',
    `
The same as "nova template ls": sandboxes are clones of templates, as containers are made from images.

Example:
  nova images`,
  );
}
