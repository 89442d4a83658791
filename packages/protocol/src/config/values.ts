import * as z from 'zod';
import {
  absolutePath,
  architectureSchema,
  environmentSchema,
  extraDriveSchema,
  labelsSchema,
  limits,
  nameSchema,
  onTimeoutSchema,
  rateLimitsSchema,
} from '../sandbox.ts';
import { hypervisorNameSchema } from '../hypervisors.ts';
import { joinedNetworksSchema } from '../network.ts';
import { policyChoiceSchema } from '#policy-schemas';
import { secretsSchema } from '#secret-schemas';
import { volumeMountsSchema } from '../volume.ts';
import { rateLimitsSchema as wireRateLimitsSchema } from './rate-limits.ts';
import { wireVolumesSchema } from './volume-mounts.ts';

/**
 * The parts of which the fields' schemas are built. They are passed to the table of fields, so that code which only
 * needs the descriptions of the table does not load zod.
 */
export const values = {
  // Not all of zod, so that a bundle contains only the parts that are used.
  z: { boolean: z.boolean, int: z.int, number: z.number, string: z.string },
  limits,
  name: nameSchema,
  path: absolutePath,
  environment: environmentSchema,
  labels: labelsSchema,
  drives: z.array(extraDriveSchema).max(8),
  volumes: volumeMountsSchema,
  wireVolumes: wireVolumesSchema,
  rateLimits: rateLimitsSchema,
  wireRateLimits: wireRateLimitsSchema,
  hypervisor: z.union([z.literal('auto'), hypervisorNameSchema]),
  architecture: architectureSchema,
  onTimeout: onTimeoutSchema,
  policy: policyChoiceSchema,
  networks: joinedNetworksSchema,
  secrets: secretsSchema,
};
export type Values = typeof values;
