import { isNovaError, NovaError, type SandboxInfo } from '@novasandbox/protocol';
import { requirePermission } from '../authority/permissions.ts';
import type { Caller, CallerContext } from '../context.ts';
import { labelsOf, toOpen, type Traits } from './labels.ts';
import { engineTimeoutMs } from './life-time.ts';
import type { CreateBody } from './wire.ts';

/** What these clients get when they name no time to live. */
const defaultTimeoutSeconds = 300;
const everything = '0.0.0.0/0';

/** Makes a sandbox that is gone when its time ends or it is killed. */
export async function createSandbox(
  { engine }: CallerContext,
  caller: Caller,
  body: CreateBody,
  { signal, id }: { readonly signal: AbortSignal; readonly id: string | undefined },
): Promise<SandboxInfo> {
  refuseUnsupported(body);
  const traits = traitsFor(caller, body);
  // Tags choose between builds of a template; ours have one.
  const templateId = body.templateID.replace(/:(?:latest|default)$/, '');
  try {
    return await engine.sandboxes.create(
      {
        templateId,
        labels: body.metadata ?? {},
        env: body.envVars ?? {},
        enableNetwork: body.allow_internet_access !== false && !deniesAll(body),
        timeoutMs: engineTimeoutMs((body.timeout ?? defaultTimeoutSeconds) * 1000, traits.autoPause),
        ephemeral: true,
      },
      { signal, id, reservedLabels: labelsOf(traits) },
    );
  } catch (error) {
    // A name that no template of ours can have is just as unknown.
    const unknown = isNovaError(error, 'unknown_template') || !/^[\w.-]{1,64}$/.test(templateId);
    if (unknown) throw new NovaError('unknown_template', `template '${body.templateID}' not found`, { cause: error });
    throw error;
  }
}

/**
 * The client's choices, provided that it may do itself whatever it opens to all. Ports are open unless it says
 * otherwise or may not open them.
 */
function traitsFor(caller: Caller, body: CreateBody): Traits {
  const { permissions } = caller;
  const secure = body.secure !== false;
  const autoResume = body.autoResume?.enabled === true;
  const asked = body.network?.allowPublicTraffic;
  const publicTraffic = asked ?? toOpen.publicTraffic.every((permission) => permissions.has(permission));
  const needed = [
    ...(secure ? [] : toOpen.secure),
    ...(publicTraffic ? toOpen.publicTraffic : []),
    ...(autoResume ? toOpen.autoResume : []),
  ];
  for (const permission of needed) requirePermission(caller, permission);
  return { secure, publicTraffic, autoPause: body.autoPause === true, autoResume };
}

const deniesAll = ({ network }: CreateBody): boolean => network?.denyOut?.includes(everything) === true;

function refuseUnsupported({ network, mcp, iam, volumeMounts, autoPause, autoPauseMemory }: CreateBody): void {
  const refuse = (what: string): never => {
    throw new NovaError('not_implemented', `${what} is not there yet.`);
  };
  if (mcp !== undefined && mcp !== null) refuse('mcp');
  if (iam !== undefined && iam !== null) refuse('iam');
  if (autoPause === true && autoPauseMemory === false) refuse('A pause that keeps the disk alone');
  if ((volumeMounts?.length ?? 0) > 0) refuse('volumeMounts');
  if (network === undefined || network === null) return;
  const { allowPublicTraffic: _public, allowOut, denyOut, ...others } = network;
  if ((allowOut?.length ?? 0) > 0) refuse('network.allowOut');
  if (denyOut?.some((each) => each !== everything) === true) refuse(`network.denyOut of other than ${everything}`);
  for (const [name, value] of Object.entries(others)) {
    const empty = value === undefined || value === null || value === false || Object.keys(Object(value)).length === 0;
    if (!empty || typeof value === 'string' || typeof value === 'number') refuse(`network.${name}`);
  }
}
