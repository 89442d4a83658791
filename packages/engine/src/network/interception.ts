import {
  gatewayAddress,
  guestAddress,
  interceptMark,
  interceptTable,
  memberMark,
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
    meta mark ${memberMark} return
    ct direction reply return
    ct state new ct count over ${connectionLimit} drop
    ${opening} limit rate over ${newPerSecond}/second burst ${newAtOnce} packets drop
    ${dns} return
    meta l4proto tcp tproxy to ${proxyAddress}:${proxyPort} meta mark set ${interceptMark} accept
  }
  chain names {
    type nat hook prerouting priority dstnat - 10;
    iifname "${tap}" meta mark != ${memberMark} ${dns} redirect to :${namePort}
  }
  chain through {
    type filter hook forward priority filter - 10;
    meta mark ${memberMark} accept
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

/** From now on the egress process answers the name queries of the guest to its gateway; all else is as it was. */
const interceptionOfNames = `
add table ${interceptionTable}
delete table ${interceptionTable}
table ${interceptionTable} {
  chain names {
    type nat hook prerouting priority dstnat - 10;
    iifname "${tap}" meta mark != ${memberMark} ip daddr ${gatewayAddress} ${dns} redirect to :${namePort}
  }
}
`;

/** The traffic that goes to the egress process: everything that the guest begins, or its name queries alone. */
export type Intercepted = 'all' | 'names';

/**
 * The script that does so in the namespace of the slot. Another version may have made the slot, so its fixed rules are
 * written anew in the same step.
 *
 * @param number of the slot; null: it has no link to the host
 */
export const interceptionScript = (number: number | null, intercepted: Intercepted): string =>
  [
    `ip route replace local default dev lo table ${interceptTable}`,
    `ip rule show | grep -q 'lookup ${interceptTable}$' || ip rule add fwmark ${interceptMark} lookup ${interceptTable}`,
    `nft -f - <<'rules'`,
    `add table ip slot\ndelete table ip slot${slotRules(number)}${intercepted === 'all' ? interception : interceptionOfNames}rules`,
  ].join('\n');

/** The guest reaches the world by itself again. */
const letOut = `nft -f - <<'rules'\nadd table ${interceptionTable}\ndelete table ${interceptionTable}\nrules`;

/**
 * Null: nothing goes to the egress process. Where the guest may have begun connections in a way that it has no more,
 * the kernel forgets them, so that none of them goes on. `fresh`: it has not begun any.
 */
export async function setIntercepted(
  host: Pick<SlotHost, 'launcher'>,
  number: number,
  intercepted: Intercepted | null,
  { fresh = false, signal }: { readonly fresh?: boolean; readonly signal?: AbortSignal | undefined },
): Promise<void> {
  const rules = intercepted === null ? letOut : interceptionScript(number, intercepted);
  const script = fresh
    ? [rules]
    : [
        `was=no; nft list chain ${interceptionTable} arriving >/dev/null 2>&1 && was=yes`,
        rules,
        `if [ $was != ${intercepted === 'all' ? 'yes' : 'no'} ]; then`,
        `${forgetConnections('--orig-src', guestAddress)}fi`,
      ];
  await run(host, [inside(number, script.join('\n'))], signal);
}
