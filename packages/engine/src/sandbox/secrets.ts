import {
  maxSecrets,
  NovaError,
  parse,
  secretNameSchema,
  secretSettingsSchema,
  type SecretInfo,
  type SecretSettingsInput,
} from '@novasandbox/protocol';
import type { EngineContext } from '../context.ts';
import { requireEnforceable } from '../guest/governance.ts';
import type { SandboxRecord, StoredSecret } from '../ports/store.ts';
import { secretInfo, storedSecret } from '../secrets/keep.ts';
import type { CallContext } from '../services.ts';
import { requireDriver } from './attach-machine.ts';
import { findSandbox } from './find.ts';
import { putInForce } from './put-in-force.ts';
import { takeTurn } from './turn.ts';

/** The secrets of a sandbox, without their values. */
export async function listSecrets(context: EngineContext, ref: string): Promise<SecretInfo[]> {
  const { id } = await findSandbox(context, ref);
  await noteUses(context, id);
  const { secrets } = await findSandbox(context, id);
  return secrets.filter(({ sealed }) => sealed !== null).map(secretInfo);
}

/**
 * Gives a sandbox a secret, also while it runs, or another value for one that it has: the placeholder stays, and what
 * was used of the budget. Commands that begin later have the placeholder in their environment.
 */
export async function setSecret(
  context: EngineContext,
  ref: string,
  name: string,
  input: SecretSettingsInput,
  { signal }: CallContext = {},
): Promise<SecretInfo> {
  parse(secretNameSchema, name, 'The name of the secret');
  const settings = parse(secretSettingsSchema, input, 'secret');
  let info: SecretInfo | undefined;
  await change(context, ref, signal, (record) => {
    const before = record.secrets.find((each) => each.name === name);
    const stored = storedSecret(context.seals, { ...settings, name }, before);
    info = secretInfo(stored);
    return roomFor([...record.secrets.filter((each) => each !== before), stored]);
  });
  if (info === undefined) throw new RangeError('A secret that was set has a description.');
  return info;
}

/**
 * Takes a secret from a sandbox: its value is forgotten, requests that have it end, and its placeholder is refused by
 * its name. One that is not there is left alone.
 */
export async function removeSecret(
  context: EngineContext,
  ref: string,
  name: string,
  { signal }: CallContext = {},
): Promise<void> {
  await change(context, ref, signal, ({ secrets }) =>
    secrets.map((each) => (each.name === name ? { ...each, sealed: null } : each)),
  );
}

/** Notes what the secrets of a sandbox were used for, because the process that counts may be killed. */
export async function noteUses({ store, network }: EngineContext, id: string): Promise<void> {
  if (store.findSandbox(id)?.secrets.some(({ sealed }) => sealed !== null) !== true) return;
  const uses = await network.secretUses(id);
  const record = store.findSandbox(id);
  if (record === null) return;
  const secrets = record.secrets.map((each) => ({ ...each, used: uses[each.name] ?? each.used }));
  if (secrets.some(({ used }, index) => used.requests !== record.secrets[index]?.used.requests))
    store.changeSandbox(id, [record.state], { secrets });
}

/** Secrets that were removed make room, the oldest first. */
function roomFor(secrets: readonly StoredSecret[]): readonly StoredSecret[] {
  const surplus = secrets.length - maxSecrets;
  if (surplus <= 0) return secrets;
  const dropped = new Set(secrets.filter(({ sealed }) => sealed === null).slice(0, surplus));
  if (dropped.size < surplus)
    throw new NovaError('conflict', `A sandbox has ${maxSecrets} secrets at most.`, { hint: 'Remove one first.' });
  return secrets.filter((each) => !dropped.has(each));
}

async function change(
  context: EngineContext,
  ref: string,
  signal: AbortSignal | undefined,
  how: (record: SandboxRecord) => readonly StoredSecret[],
): Promise<void> {
  const { id } = await findSandbox(context, ref);
  await using _turn = await takeTurn(context, id, signal);
  const record = await findSandbox(context, id);
  const { state, name, bootedFrom, config } = record;
  if (state === 'creating' || state === 'stopping' || state === 'failed')
    throw new NovaError('invalid_state', `The sandbox ${name ?? id} is ${state}.`, {
      hint: 'Change its secrets once it runs or has stopped.',
    });
  const secrets = how(record);
  const network = !config.enableNetwork ? 'none' : (bootedFrom?.network ?? 'none');
  const driver = requireDriver(context, record.hypervisor);
  const place = { driver, network, owner: record.owner };
  requireEnforceable(context.store, config, place, { hasSecrets: secrets.length > 0 });
  await putInForce(context, record, { secrets }, signal);
}
