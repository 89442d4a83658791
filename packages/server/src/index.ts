export { backUp } from './backup/back-up.ts';
export { restore } from './backup/restore.ts';
export { serverConfigSchema, type ServerConfig, type ServerConfigInput } from './config/schema.ts';
export { loadConfig, redacted } from './config/load.ts';
export { checkFiles } from './check-files.ts';
export { serve } from './serve.ts';
