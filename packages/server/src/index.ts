export { apiKeySchema, serverConfigSchema, type ServerConfig, type ServerConfigInput } from './config/schema.ts';
export { loadConfig, redacted, type ConfigSources } from './config/load.ts';
export { checkFiles } from './check-files.ts';
export { openApiDocument } from './openapi/document.ts';
export { serve, type Daemon, type ServeOptions } from './serve.ts';
