/**
 * The host of the sandboxes: templates, volumes, networks, hypervisors, disk and pool, and the keys and users of a
 * daemon.
 */
export { Access } from './administration/access.ts';
export type {
  AccessService,
  ApiKey,
  CreatedApiKey,
  Identity,
  NewApiKey,
  NewUser,
  RoleInfo,
  User,
} from './remote/administration/access.ts';
export type { Permission, Role } from '@novasandbox/protocol/api';
export {
  AppleVzHypervisor,
  CloudHypervisor,
  FirecrackerHypervisor,
  Hypervisor,
  QemuHypervisor,
} from './administration/hypervisor.ts';
export { Network } from './administration/network.ts';
export { NetworkPolicies } from './administration/policies.ts';
export { Storage } from './administration/storage.ts';
export { TemplateManager } from './administration/template-manager.ts';
export { Volume, type OpenVolume } from './administration/volume.ts';
export { WarmPool } from './administration/warm-pool.ts';
export type {
  Approval,
  ApprovalAnswerInput,
  Collected,
  Contact,
  DriverFeatures,
  Isolation,
  NetworkInfo,
  NetworkMember,
  NewNetworkInput,
  Explanation,
  LearnedPolicy,
  NetworkPolicyInput,
  NewPolicyInput,
  NewVolumeInput,
  PolicyInfo,
  PoolClone,
  PoolShape,
  PoolStatus,
  StorageUsage,
  StoredThing,
  TemplateInfo,
  VolumeInfo,
  VolumeUse,
  Wish,
} from '@novasandbox/protocol';
export type { ApprovalFilter, HypervisorReport } from '@novasandbox/engine/services';
