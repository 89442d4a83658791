import {
  createImageSource,
  loadTemplate,
  repositoryRoot,
  type Confiner,
  type GuestKernel,
  type ImageOptions,
  type Initramfs,
  type Layout,
  type RootImage,
} from '@novasandbox/engine';

/**
 * The files that the lab boots, and those that the guests inside it boot. The project's own builders make them once.
 */
export interface Parts {
  readonly kernel: GuestKernel;
  readonly initramfs: Initramfs;
  readonly root: RootImage;
  readonly guests: {
    readonly agent: { readonly digest: string; readonly path: string };
    readonly confiner: Confiner;
    readonly kernel: GuestKernel;
    readonly initramfs: Initramfs;
    readonly root: RootImage;
  };
}

/**
 * The kernel modules that a host of hypervisors needs: KVM, taps, and everything for nftables rules. No module is
 * loaded on demand in the lab. kvm_amd is for the processor that QEMU emulates.
 */
const hostModules = [
  'kvm_amd',
  'tun',
  'veth',
  'bridge',
  'vhost_net',
  'vhost_vsock',
  'loop',
  'nf_tables',
  'nf_conntrack',
  'nf_log_syslog',
  'nf_conntrack_netlink',
  'nft_chain_nat',
  'nft_ct',
  'nft_connlimit',
  'nft_fib_inet',
  'nft_hash',
  'nft_limit',
  'nft_log',
  'nft_masq',
  'nft_nat',
  'nft_numgen',
  'nft_objref',
  'nft_quota',
  'nft_redir',
  'nft_reject_inet',
  'nft_socket',
  'nft_tproxy',
  'sch_ingress',
] as const;

/** Looks the parts up and makes missing ones. */
export async function labParts(layout: Layout, options: ImageOptions): Promise<Parts> {
  const images = createImageSource(layout);
  const base = await loadTemplate(layout, 'base');
  const lab = await loadTemplate({ ...layout, templateDirectories: [repositoryRoot] }, 'lab');
  const kernel = await images.kernel(lab, options);
  const guestKernel = await images.kernel(base, options);
  return {
    kernel,
    initramfs: await images.initramfs(kernel, { ...options, moreModules: hostModules }),
    root: await images.rootImage(lab, options),
    guests: {
      agent: await images.agent(options),
      confiner: await images.confiner(options),
      kernel: guestKernel,
      initramfs: await images.initramfs(guestKernel, options),
      root: await images.rootImage(base, options),
    },
  };
}
