import type { Finding } from './finding.ts';

const remedy =
  'Let what comes from and goes back to slots pass there; with Docker: iptables -I DOCKER-USER -i nv+ -j ACCEPT; ' +
  'iptables -I DOCKER-USER -o nv+ -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT';

/** Whether sandboxes get network slots, which keep them from the host and from each other. */
export async function examineNetwork(fresh: boolean): Promise<Finding[]> {
  const { createLauncher, layoutAt, openNetwork, whatDropsForwarded } = await import('@novasandbox/engine');
  try {
    await using launcher = createLauncher();
    await using network = openNetwork(layoutAt(), launcher);
    await network.reclaim();
    const { slots, reason } = await network.probe({ fresh });
    if (!slots) {
      const isolation = 'guests with network reach the addresses of the host';
      return [{ state: 'note', subject: 'network', detail: `${reason}; ${isolation}`, remedy: 'docs/networking.md' }];
    }
    await network.mend();
    const obstacle = await whatDropsForwarded();
    if (obstacle === null) return [{ state: 'fine', subject: 'network', detail: reason }];
    const dropped = `a firewall of this host drops what it passes on (${obstacle}): guests may reach nothing`;
    return [{ state: 'note', subject: 'network', detail: `${reason}; ${dropped}`, remedy }];
  } catch (error) {
    return [{ state: 'note', subject: 'network', detail: error instanceof Error ? error.message : String(error) }];
  }
}
