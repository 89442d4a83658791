import {
  gatewayAddress,
  guestAddress,
  interceptMark,
  interceptTable,
  namePort,
  proxyAddress,
  proxyPort,
  tap,
  uplink,
} from './addressing.ts';
import { forgetConnections, inside, run, type SlotHost } from './commands.ts';
import { connectionLimit, dns, slotRules } from './rules.ts';

/**
 * Puts the guest of a slot behind the egress process, and lets it out again. The rules are a table of their own beside
 * the slot's fixed one, and only take away: where the egress process has no listener in the slot, the guest reaches
 * nothing.
 */

export const interceptionTable = 'ip intercept';

/** New connections of a guest in a second, and how many may come at once: each costs the egress process time. */
const newPerSecond = 500;
const newAtOnce = 1000;

const opening = 'tcp flags & (syn | ack) == syn';
const ofGuest = `iifname "${tap}" ct direction original`;

/**
 * From now on the egress process decides about everything that the guest begins. What the guest has begun through the
 * uplink ends; what came in by forwarded ports goes on.
 */
const interception = `
add table ${interceptionTable}
delete table ${interceptionTable}
table ${interceptionTable} {
  chain arriving {
    type filter hook prerouting priority mangle;
    iifname != "${tap}" return
    ip saddr != ${guestAddress} drop
    ct direction reply return
    ct state new ct count over ${connectionLimit} drop
    ${opening} limit rate over ${newPerSecond}/second burst ${newAtOnce} packets drop
    ${dns} return
    meta l4proto tcp tproxy to ${proxyAddress}:${proxyPort} meta mark set ${interceptMark} accept
  }
  chain names {
    type nat hook prerouting priority dstnat - 10;
    iifname "${tap}" ${dns} redirect to :${namePort}
  }
  chain through {
    type filter hook forward priority filter - 10;
    ${ofGuest} meta l4proto tcp reject with tcp reset
    ${ofGuest} reject with icmp admin-prohibited
    iifname "${uplink}" ct direction reply drop
  }
  chain here {
    type filter hook input priority filter - 10;
    iifname != "${tap}" return
    meta mark ${interceptMark} accept
    ct direction reply accept
    icmp type echo-request accept
    ip daddr ${gatewayAddress} ${dns} accept
    meta l4proto tcp reject with tcp reset
    reject with icmp admin-prohibited
  }
}
`;

/**
 * The script that does so in the namespace of the slot. Another version may have made the slot, so its fixed rules are
 * written anew in the same step.
 *
 * @param number of the slot; null: it has no link to the host
 */
export const interceptionScript = (number: number | null): string =>
  [
    `ip route replace local default dev lo table ${interceptTable}`,
    `ip rule show | grep -q 'lookup ${interceptTable}$' || ip rule add fwmark ${interceptMark} lookup ${interceptTable}`,
    `nft -f - <<'rules'`,
    `add table ip slot\ndelete table ip slot${slotRules(number)}${interception}rules`,
  ].join('\n');

/** The guest reaches the world by itself again. */
const letOut = `nft -f - <<'rules'\nadd table ${interceptionTable}\ndelete table ${interceptionTable}\nrules`;

/**
 * `fresh`: the guest has not begun any connection in the other way. Otherwise the kernel forgets those, so that none of
 * them goes on.
 */
export async function setIntercepted(
  host: Pick<SlotHost, 'launcher'>,
  number: number,
  {
    on,
    fresh = false,
    signal,
  }: { readonly on: boolean; readonly fresh?: boolean; readonly signal?: AbortSignal | undefined },
): Promise<void> {
  const script = [
    on ? interceptionScript(number) : letOut,
    ...(fresh ? [] : [forgetConnections('--orig-src', guestAddress)]),
  ];
  await run(host, [inside(number, script.join('\n'))], signal);
}
