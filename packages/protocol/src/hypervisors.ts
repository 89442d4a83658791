import * as z from 'zod';
import { NovaError } from './errors.ts';
import { ownHypervisors, type HypervisorName } from './own-hypervisors.ts';

/**
 * Checks the form of a name. Only the engine knows which hypervisors exist; it refuses other names and lists its own.
 */
export const hypervisorNameSchema: z.ZodType<HypervisorName, HypervisorName> = z
  .string()
  .max(64)
  .regex(/^[a-z][a-z0-9-]*$/, 'must begin with a lower-case letter and hold only lower-case letters, digits and "-"')
  .meta({ examples: [...ownHypervisors] });

/** The error for an unknown hypervisor, which lists the known ones. */
export const unknownHypervisor = (name: string, known: Iterable<string>): NovaError => {
  const names = ['auto', ...known];
  return new NovaError(
    'invalid_argument',
    `hypervisor: there is no hypervisor "${name}" here; there are ${names.join(', ')}.`,
    { details: { known: names } },
  );
};
