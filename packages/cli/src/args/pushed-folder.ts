import type { Command } from 'commander';

/** Adds the arguments of a verb that means a pushed folder, or a part of it. */
export const addPushedFolder = (command: Command): Command =>
  command
    .argument('[sandbox]', 'id, beginning of an id, or name (default: the one that this folder was pushed into)')
    .argument('[path...]', 'only these files and folders')
    .option('--at <path>', 'folder of the sandbox, if it has several');
