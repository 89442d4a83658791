/**
 * Arguments that this host, not a sandbox's config, adds to the command line of every guest's kernel:
 * NOVA_GUEST_KERNEL_ARGS. Hosts that are virtual machines themselves may need some.
 */
export function hostKernelArguments(): string[] {
  return (process.env['NOVA_GUEST_KERNEL_ARGS'] ?? '').split(/\s+/).filter((word) => word !== '');
}
