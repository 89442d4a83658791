import { Option } from 'commander';

/** The option for the role of a key or user. */
export const roleOption = (): Option =>
  new Option('--role <role>', 'what it may do (default: user)').choices(['admin', 'power_user', 'user', 'readonly']);
