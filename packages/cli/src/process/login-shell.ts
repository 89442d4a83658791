/** Bash where the guest has it, else its sh; as a login shell, so that profiles are read. */
export const loginShell: readonly string[] = [
  '/bin/sh',
  '-c',
  'if command -v bash >/dev/null 2>&1; then exec bash -l; else exec sh -l; fi',
];
