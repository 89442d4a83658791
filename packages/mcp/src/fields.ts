import * as z from 'zod';

export const sandboxField = z
  .string()
  .min(1)
  .max(128)
  .describe('Id or name of the sandbox, as create_sandbox or list_sandboxes gives it.');

export const execField = z.int().min(0).describe('Number of the command, as start_command or run_command gives it.');

/** The default limits of a result, bytes. Hosts cut results of more than some 25,000 tokens (Claude Code). */
const defaultOutputBytes = 16_000;
const mostOutputBytes = 200_000;

export const outputBytesField = z
  .int()
  .min(200)
  .max(mostOutputBytes)
  .default(defaultOutputBytes)
  .describe('Most bytes of stdout and of stderr to return; of longer output, the beginning and the end come.');

export const userField = z
  .string()
  .min(1)
  .max(64)
  .optional()
  .describe("User in the sandbox, such as root; default: the sandbox's own user.");

const mostTextBytes = 2 << 20;
export const textField = z.string().max(mostTextBytes);

/** How long a sandbox lives unless it is said, ms. Nothing that a model has forgotten stays for good. */
export const defaultLifetimeMs = 60 * 60_000;
