import { isNovaError, NovaError, type SandboxInfo } from '@novasandbox/protocol';
import type { ServerContext } from '../context.ts';
import { labelsOf } from './labels.ts';
import { engineTimeoutMs } from './life-time.ts';
import type { CreateBody } from './wire.ts';

/** What these clients get when they name no time to live. */
const defaultTimeoutSeconds = 300;
const everything = '0.0.0.0/0';

/** Makes a sandbox that is gone when its time ends or it is killed. */
export async function createSandbox(
  { engine }: ServerContext,
  body: CreateBody,
  signal: AbortSignal,
): Promise<SandboxInfo> {
  refuseUnsupported(body);
  const autoPause = body.autoPause === true;
  const traits = {
    secure: body.secure !== false,
    publicTraffic: body.network?.allowPublicTraffic !== false,
    autoPause,
    autoResume: body.autoResume?.enabled === true,
  };
  // Tags choose between builds of a template; ours have one.
  const templateId = body.templateID.replace(/:(?:latest|default)$/, '');
  try {
    return await engine.sandboxes.create(
      {
        templateId,
        labels: labelsOf(traits, body.metadata ?? {}),
        env: body.envVars ?? {},
        enableNetwork: body.allow_internet_access !== false && !deniesAll(body),
        timeoutMs: engineTimeoutMs((body.timeout ?? defaultTimeoutSeconds) * 1000, autoPause),
        ephemeral: true,
      },
      { signal },
    );
  } catch (error) {
    // A name that no template of ours can have is just as unknown.
    const unknown = isNovaError(error, 'unknown_template') || !/^[\w.-]{1,64}$/.test(templateId);
    if (unknown) throw new NovaError('unknown_template', `template '${body.templateID}' not found`, { cause: error });
    throw error;
  }
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
