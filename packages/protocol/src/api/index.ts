export * from './guest.ts';
export * from './permissions.ts';
export * from './route.ts';
export * from './routes.ts';
export * from './streams.ts';
export * from './system.ts';
export * from './vm-config.ts';
export * from './vms.ts';
