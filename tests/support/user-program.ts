import { createEngine, processesNaming, layoutAt } from '@novasandbox/engine';
import type { NetworkPolicyInput, PolicyChoiceInput, SandboxConfigInput } from '@novasandbox/protocol';
import { egressProcesses } from './egress-process.ts';
import { sh } from './engine.ts';

/**
 * A program that embeds the engine as a user who is not root, and does what it is told over its channel
 * (unprivileged-user.ts).
 */
export type UserOrder =
  | { readonly kind: 'create'; readonly config: SandboxConfigInput }
  | { readonly kind: 'run'; readonly ref: string; readonly script: string }
  | { readonly kind: 'network'; readonly name: string }
  | { readonly kind: 'policy'; readonly ref: string; readonly policy: PolicyChoiceInput }
  | { readonly kind: 'decisions'; readonly ref: string }
  | { readonly kind: 'fork'; readonly ref: string }
  | { readonly kind: 'sleep and wake'; readonly ref: string }
  | { readonly kind: 'remove'; readonly ref: string }
  /** Opens another engine for a moment, as any command does. */
  | { readonly kind: 'look' }
  /** The pids of a sandbox's VMM, and of the egress process. */
  | { readonly kind: 'pids'; readonly ref: string }
  | { readonly kind: 'close' };

export type UserAnswer =
  { readonly value: unknown } | { readonly error: { readonly code: string; readonly message: string } };

export type Policy = NetworkPolicyInput;

const layout = layoutAt();
const engine = await createEngine();

async function follow(order: UserOrder): Promise<unknown> {
  const { sandboxes, snapshots } = engine;
  switch (order.kind) {
    case 'create':
      return (await sandboxes.create(order.config)).id;
    case 'run': {
      const { exit, stdout, stderr } = await sh(engine, order.ref, order.script);
      return exit.exitCode === 0 ? stdout : `failed: ${stdout}${stderr}`;
    }
    case 'network':
      return (await engine.networks.create({ name: order.name })).id;
    case 'policy':
      return (await sandboxes.setPolicy(order.ref, order.policy)).id;
    case 'decisions':
      return Array.fromAsync(await sandboxes.decisions(order.ref));
    case 'fork':
      return (await snapshots.fork(order.ref))[0]?.sandbox?.id;
    case 'sleep and wake':
      await sandboxes.hibernate(order.ref);
      return (await sandboxes.resume(order.ref)).id;
    case 'remove':
      return sandboxes.remove(order.ref, { force: true });
    case 'look': {
      await using other = await createEngine();
      return (await other.sandboxes.list()).length;
    }
    case 'pids':
      return {
        vmm: processesNaming(layout.sockets(order.ref)).map(({ pid }) => pid),
        egress: egressProcesses(layout),
      };
    case 'close':
      return engine.close();
  }
}

process.on('message', ({ id, order }: { readonly id: number; readonly order: UserOrder }) => {
  const answer = (said: UserAnswer): void => void process.send?.({ id, ...said });
  follow(order).then(
    (value) => answer({ value: value ?? null }),
    (error: unknown) => {
      const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown';
      answer({ error: { code, message: String(error) } });
    },
  );
});
process.on('disconnect', () => process.exit());
process.send?.('ready');
