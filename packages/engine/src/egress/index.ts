export { openEgress } from './client.ts';
