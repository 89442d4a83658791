/** A private network that a sandbox has joined. */
export interface Joined {
  readonly network: string;
  /** The last part of the names of its members. */
  readonly name: string;
  readonly address: string;
}

interface Member {
  readonly memberships: readonly Joined[];
  readonly hostnames: readonly string[];
}

/** The names of the members of private networks: `<sandbox>.<network>`. Members alone are told them. */
export interface MemberNames {
  set(sandbox: string, member: Member): void;
  forget(sandbox: string): void;
  /**
   * The address of a name, as that sandbox has to be told. All names that end with one of its networks are that
   * network's: null where no member has the name. Undefined: the name is of none of its networks.
   */
  find(sandbox: string, name: string): string | null | undefined;
}

export function memberNames(): MemberNames {
  const members = new Map<string, Member>();
  return {
    set: (sandbox, { memberships, hostnames }) =>
      void members.set(sandbox, { memberships, hostnames: hostnames.map((each) => each.toLowerCase()) }),
    forget: (sandbox) => void members.delete(sandbox),
    find(sandbox, name) {
      const zone = members.get(sandbox)?.memberships.find((each) => name.endsWith(`.${each.name}`));
      if (zone === undefined) return undefined;
      const wanted = name.slice(0, -zone.name.length - 1);
      for (const { memberships, hostnames } of members.values()) {
        const there = memberships.find(({ network }) => network === zone.network);
        if (there !== undefined && hostnames.includes(wanted)) return there.address;
      }
      return null;
    },
  };
}
