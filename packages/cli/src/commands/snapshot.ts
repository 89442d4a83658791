import type { Command } from 'commander';
import { parseDuration } from '../args/duration.ts';
import { parseLabel } from '../args/key-value.ts';
import { restore, take, verify } from '../snapshots/act.ts';
import { load, save } from '../snapshots/files.ts';
import { prune, rm } from '../snapshots/remove.ts';
import { inspect, ls, stats } from '../snapshots/show.ts';

export function define(command: Command): void {
  command
    .description('Snapshots of sandboxes: memory and disk of one instant, to go back to or to make sandboxes from.')
    .addHelpText(
      'after',
      `
A snapshot holds the guest's whole memory, with all secrets in it. "nova create --snapshot" and "nova run --snapshot" make sandboxes
that go on from one; "nova fork" makes children of a running sandbox without keeping a snapshot.

Examples:
  nova snapshot take box --name installed
  nova snapshot ls --tree
  nova snapshot restore box installed
  nova create --snapshot installed --name again
  nova snapshot save installed installed.nova`,
    );
  defineTaking(command);
  defineShowing(command);
  defineUsing(command);
  defineFiles(command);
  defineRemoving(command);
}

const snapshots = ['<snapshot...>', 'ids, beginnings of ids, or names'] as const;

function defineTaking(parent: Command): void {
  parent
    .command('take')
    .alias('create')
    .description('Take a snapshot of a sandbox, which goes on as it was.')
    .argument('<sandbox>', 'id, beginning of an id, or name')
    .option('--name <name>', 'name of the snapshot, unique among those of the sandbox')
    .option('--description <text>', 'what it is')
    .option('--disk-only', 'the disk without the memory, which is all that a stopped sandbox has')
    .option('--label <key=value>', 'label, may be repeated', parseLabel)
    .option('-q, --quiet', 'no progress')
    .option('--json', 'print all about the snapshot as JSON')
    .addHelpText('after', '\nPrints the id.\n\nExample:\n  nova snapshot take box --name installed')
    .action(take);
}

function defineShowing(parent: Command): void {
  parent
    .command('ls')
    .description('List snapshots, oldest first.')
    .argument('[sandbox]', 'only those of this sandbox, which may have been removed')
    .option('--tree', 'each below the one that its sandbox was at before')
    .option('-q, --quiet', 'ids alone')
    .option('--label <key=value>', 'only those with this label, may be repeated', parseLabel)
    .option('--json', 'print as JSON')
    .addHelpText('after', '\nExamples:\n  nova snapshot ls box\n  nova snapshot ls --tree')
    .action(ls);
  parent
    .command('inspect')
    .description('Show all about snapshots, as JSON.')
    .argument(...snapshots)
    .option('--json', 'print as JSON, which is the default')
    .addHelpText('after', "\nExample:\n  nova snapshot inspect installed | jq '.[0].memoryBytes'")
    .action((refs: string[]) => inspect(refs));
  parent
    .command('stats')
    .description('Add up the snapshots and the space that they take.')
    .option('--json', 'print as JSON')
    .addHelpText('after', '\nExample:\n  nova snapshot stats')
    .action(stats);
}

function defineUsing(parent: Command): void {
  parent
    .command('restore')
    .description('Take a sandbox back to one of its snapshots. What it has done since is lost.')
    .argument('<sandbox>', 'id, beginning of an id, or name')
    .argument('<snapshot>', 'id, beginning of an id, or name of one of its snapshots')
    .option('-q, --quiet', 'no progress')
    .option('--json', 'print all about the sandbox as JSON')
    .addHelpText('after', '\nExample:\n  nova snapshot restore box installed')
    .action(restore);
  parent
    .command('verify')
    .description('Read all files of snapshots and compare them with their checksums.')
    .argument(...snapshots)
    .option('-q, --quiet', 'no progress')
    .option('--json', 'print the findings as JSON')
    .addHelpText(
      'after',
      '\nPrints those that are whole, and exits with 1 if one is not.\n\nExample:\n  nova snapshot verify installed',
    )
    .action(verify);
}

function defineFiles(parent: Command): void {
  parent
    .command('save')
    .description('Write a snapshot as one file, for "nova snapshot load" here or on another host.')
    .argument('<snapshot>', 'id, beginning of an id, or name')
    .argument('<file>', 'the file, which only you may read, or - for stdout')
    .option('-q, --quiet', 'no progress')
    .option('--json', 'print what was written as JSON')
    .addHelpText(
      'after',
      `
The file holds the guest's memory: keep it as secret as all that the guest knew.

Examples:
  nova snapshot save installed installed.nova
  nova snapshot save installed - | ssh host nova snapshot load -`,
    )
    .action(save);
  parent
    .command('load')
    .description('Read a snapshot that "nova snapshot save" has written. It is checked before any of it is kept.')
    .argument('<file>', 'the file, or - for stdin')
    .option('--name <name>', 'name of the snapshot (default: the one that it had)')
    .option('-q, --quiet', 'no progress')
    .option('--json', 'print all about the snapshot as JSON')
    .addHelpText('after', '\nPrints the id, which is a new one.\n\nExample:\n  nova snapshot load installed.nova')
    .action(load);
}

function defineRemoving(parent: Command): void {
  parent
    .command('rm')
    .description('Remove snapshots. Sandboxes that were made from them stay.')
    .argument(...snapshots)
    .option('-f, --force', 'ignore missing ones')
    .option('--json', 'print what was removed as JSON')
    .addHelpText('after', '\nExample:\n  nova snapshot rm installed')
    .action(rm);
  parent
    .command('prune')
    .description('Remove the snapshots that are older than a time, except those that younger ones need.')
    .requiredOption('--older <time>', 'age, such as 30d or 12h', parseDuration)
    .option('-f, --force', 'do not ask first')
    .option('--json', 'print what was removed as JSON')
    .addHelpText('after', '\nExamples:\n  nova snapshot prune --older 30d\n  nova snapshot prune --older 12h --force')
    .action(prune);
}
