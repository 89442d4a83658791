import type { Finding } from './finding.ts';

const remedy =
  'Allow traffic from and to the slots there; with Docker: iptables -I DOCKER-USER -i nv+ -j ACCEPT; ' +
  'iptables -I DOCKER-USER -o nv+ -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT';

/** Whether sandboxes get network slots, which separate them from the host and from each other. */
export async function examineNetwork(fresh: boolean): Promise<Finding[]> {
  const { createLauncher, layoutAt, openNetwork, prepareLayout, whatDropsForwarded } =
    await import('@novasandbox/engine');
  try {
    const layout = layoutAt();
    // If no state folder can be created, nothing in it is tried.
    prepareLayout(layout);
    await using launcher = createLauncher();
    await using network = openNetwork(layout, launcher);
    await network.reclaim();
    const { slots, reason } = await network.probe({ fresh });
    if (!slots) {
      const isolation = 'guests without a policy reach the addresses of the host';
      return [
        {
          section: 'better',
          state: 'note',
          subject: 'network',
          detail: `${reason}; ${isolation}`,
          remedy: 'docs/networking.md',
        },
      ];
    }
    await network.mend();
    const obstacle = await whatDropsForwarded();
    if (obstacle === null) return [{ section: 'better', state: 'fine', subject: 'network', detail: reason }];
    const dropped = `a firewall of this host drops forwarded packets (${obstacle}): guests may reach nothing`;
    return [{ section: 'better', state: 'note', subject: 'network', detail: `${reason}; ${dropped}`, remedy }];
  } catch (error) {
    return [
      {
        section: 'better',
        state: 'note',
        subject: 'network',
        detail: error instanceof Error ? error.message : String(error),
      },
    ];
  }
}
