export { openSession } from './connect.ts';
