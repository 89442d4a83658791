export { createToolServer } from './server.ts';
export type { ToolHost } from './tool-host.ts';
export { isToolset, toolsets, type Toolset } from './toolsets.ts';
