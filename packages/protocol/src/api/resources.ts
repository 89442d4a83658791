import * as z from 'zod';
import { sandboxStateSchema } from '../sandbox.ts';

const shares = { vcpus: z.int(), memory_mb: z.number(), disk_mb: z.number() };

/** The resources that the caller's VMs were given and use, and those of the host. */
export const resourceUsageSchema = z.object({
  host: z.object({
    cpus: z.int(),
    cpu_usage_percent: z.number(),
    memory_total_mb: z.number(),
    memory_available_mb: z.number(),
    disk_total_mb: z.number(),
    disk_free_mb: z.number(),
  }),
  allocated: z.object({ vms: z.int(), ...shares }),
  used: z.object({
    measured_vms: z.int().describe('Those that the figures are of; a VM is measured some seconds after its start'),
    memory_mb: z.number(),
    disk_mb: z.number(),
    host_memory_mb: z.number().describe('Resident memory of their VMMs'),
  }),
  limits: z.object({
    max_vms: z.int().describe('0: none'),
    max_memory_mb: z.int().describe('Of one VM; 0: none'),
    max_vcpus: z.int().describe('Of one VM; 0: none'),
  }),
});

/** The caller's running and paused VMs, with the resources they were given. */
export const allocationListSchema = z.object({
  allocations: z.array(
    z.object({
      vm_id: z.string(),
      name: z.string().nullable(),
      owner: z.string().nullable(),
      team: z.string().nullable(),
      status: sandboxStateSchema,
      ...shares,
    }),
  ),
});
