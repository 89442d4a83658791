import { constants } from 'node:os';
import { NovaError } from '@novasandbox/protocol';

/** The number of a signal given by number or name, with or without SIG. Guests are Linux, and so are the numbers. */
export function signalNumber(signal: number | string): number {
  if (typeof signal === 'number') return signal;
  const name = signal.startsWith('SIG') ? signal : `SIG${signal}`;
  const number = (constants.signals as Readonly<Record<string, number>>)[name];
  if (number === undefined) throw new NovaError('invalid_argument', `signal: "${signal}" is no signal.`);
  return number;
}
