import {
  isNovaError,
  NovaError,
  snapshotIdSchema,
  type NetworkPolicyInput,
  type OnTimeout,
  type SandboxInfo,
} from '@novasandbox/protocol';
import type { CreateContext } from '@novasandbox/engine';
import { requirePermission } from '../authority/permissions.ts';
import type { Caller, CallerContext } from '../context.ts';
import { labelsOf, toOpen, type Traits } from './labels.ts';
import { defaultTimeoutSeconds } from './life-time.ts';
import { secretsOfRules } from './header-rules.ts';
import { networkSchema, policyOfNetwork, refuseOtherOptions } from './network.ts';
import { snapshotFor, withoutTag } from './snapshots.ts';
import type { CreateBody } from './wire.ts';

/** Creates a sandbox, from a template or a snapshot, that is removed when its time ends or it is killed. */
export async function createSandbox(
  context: CallerContext,
  caller: Caller,
  body: CreateBody,
  call: Pick<CreateContext, 'signal' | 'id' | 'onOtherId'>,
): Promise<SandboxInfo> {
  refuseUnsupported(body);
  refuseContradiction(body);
  const { engine } = context;
  const traits = traitsFor(caller, body);
  const templateId = withoutTag(body.templateID);
  const mayBeTemplate = /^[\w.-]{1,64}$/.test(templateId);
  const labels = body.metadata ?? {};
  const env = body.envVars ?? {};
  const timeoutMs = (body.timeout ?? defaultTimeoutSeconds) * 1000;
  const life = { timeoutMs, ephemeral: true, onTimeout: onTimeoutOf(body), autoResume: traits.autoResume };
  const how = { ...call, reservedLabels: labelsOf(traits) };
  const policy = policyOfNetwork(body.network ?? {}, body.allow_internet_access !== false);
  const governed = policy === null ? {} : { policy };
  const volumes = body.volumeMounts ?? [];
  const secrets = secretsOfRules(body.network?.rules);
  const given = secrets.length === 0 ? {} : { secrets };
  const fromTemplate = { templateId, labels, env, volumes, ...governed, ...given, ...life };
  try {
    if (mayBeTemplate && !isSnapshotId(templateId))
      return await closedSomehow(fromTemplate, (asked) =>
        pausableSomehow(asked, (config) => engine.sandboxes.create(config, how)),
      );
  } catch (error) {
    if (!isNovaError(error, 'unknown_template')) throw error;
  }
  const snapshot = await snapshotFor(context, caller, body.templateID);
  if (snapshot === undefined) throw new NovaError('unknown_template', `template '${body.templateID}' not found`);
  if (secrets.length > 0)
    throw new NovaError(
      'not_implemented',
      'A sandbox that goes on from a snapshot cannot have rules from the start yet.',
      {
        hint: 'Set network.rules once it is there.',
      },
    );
  const mounted = volumes.length === 0 ? {} : { volumes };
  return pausableSomehow({ labels, env, ...mounted, ...governed, ...life }, (config) =>
    engine.snapshots.create(snapshot.id, config, how),
  );
}

function onTimeoutOf({ autoPause, autoPauseMemory }: CreateBody): OnTimeout {
  if (autoPause !== true) return 'stop';
  return autoPauseMemory === false ? 'hibernate-disk' : 'hibernate';
}

/** Makes a sandbox whose memory stays in the memory of the host while it is paused, where no other is to be had. */
async function pausableSomehow<C extends { readonly onTimeout: OnTimeout }>(
  config: C,
  make: (config: C) => Promise<SandboxInfo>,
): Promise<SandboxInfo> {
  try {
    return await make(config);
  } catch (error) {
    const cannot = isNovaError(error, 'feature_unsupported', 'hypervisor_unavailable');
    if (!cannot || config.onTimeout !== 'hibernate') throw error;
    return make({ ...config, onTimeout: 'pause' });
  }
}

/** Makes a sandbox that is to reach nothing without a network, where the host can enforce no policy. */
async function closedSomehow<C extends { readonly policy?: NetworkPolicyInput }>(
  config: C,
  make: (config: Omit<C, 'policy'> & { readonly enableNetwork?: false }) => Promise<SandboxInfo>,
): Promise<SandboxInfo> {
  try {
    return await make(config);
  } catch (error) {
    const { policy, ...others } = config;
    const isClosed = policy !== undefined && policy.otherwise !== 'allow' && (policy.rules ?? []).length === 0;
    if (!isClosed || !isNovaError(error, 'feature_unsupported', 'hypervisor_unavailable')) throw error;
    return make({ ...others, enableNetwork: false });
  }
}

const isSnapshotId = (id: string): boolean => snapshotIdSchema.safeParse(id).success;

/**
 * The client's choices. A client may open to everybody only what it may do itself. Ports are open unless the client
 * says otherwise or may not open them.
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
  const { maskRequestHost = null, httpsPorts } = body.network ?? {};
  return { secure, publicTraffic, autoResume, maskRequestHost, httpsPorts: httpsPorts ?? [] };
}

/** A sandbox without memory boots: what a request wants is not there then. */
function refuseContradiction({ autoPause, autoPauseMemory, autoResume }: CreateBody): void {
  if (autoPause === true && autoPauseMemory === false && autoResume?.enabled === true)
    throw new NovaError('invalid_argument', 'autoResume: a sandbox whose disk alone is kept is resumed by connecting.');
}

function refuseUnsupported({ network, mcp, iam }: CreateBody): void {
  const refuse = (what: string): never => {
    throw new NovaError('not_implemented', `${what} is not there yet.`);
  };
  if (mcp !== undefined && mcp !== null) refuse('mcp');
  if (iam !== undefined && iam !== null) refuse('iam');
  if (network === undefined || network === null) return;
  refuseOtherOptions(network, networkSchema);
}
