import type { SecretUse, ServedSecret } from '@novasandbox/protocol';
import { coversName } from '../policy/names.ts';
import type { Verdict } from '../policy/judge.ts';
import { pairsOf } from '../proxy/http-headers.ts';
import type { Filter } from '../proxy/pump.ts';
import { formsOf } from './forms.ts';
import { placeValue, type Head } from './place.ts';
import { replaceInFields } from './json-fields.ts';
import { replacing, type Replacement } from './replace.ts';

/** A place that requests go to. */
export interface Place {
  readonly host: string | null;
  readonly port: number;
  /** Whether it is a server whose certificate was found valid for the name. */
  readonly isVerified: boolean;
}

/** A request as it is sent on. */
export interface Placed extends Head {
  /** The names of the secrets whose values it has. */
  readonly used: readonly string[];
  /** Whether its body is to be replaced by `inBody` if it is JSON. */
  readonly wantsBody: boolean;
}

/** Hides the values of secrets in what a server answers. */
export interface Veil {
  /** A text of the same length. */
  hide(text: string): string;
  /** For one body. */
  filter(): Filter;
}

/** The secrets of a sandbox. */
export interface SecretSet {
  /** Whether what goes over TLS to that host and port has to be read. */
  reads(place: Pick<Place, 'host' | 'port'>): boolean;
  /** Puts values in the place of placeholders, or says why the request must not be sent on. */
  place(head: Head, place: Place): Placed | { readonly refused: Verdict };
  /** The body of JSON with the values of secrets for that place, and their names; null: it has no placeholder. */
  inBody(body: Buffer, place: Place): { readonly body: Buffer; readonly used: readonly string[] } | null;
  /**
   * Looks for placeholders in a body, which is passed on as it is, and tells of each secret once; null: there is
   * nothing to look for.
   */
  watch(onFound: (name: string) => void): Filter | null;
  /** Null: there is nothing to hide from a guest that talks to that host and port. */
  veilFor(place: Pick<Place, 'host' | 'port'>): Veil | null;
  /** Counts a request with these secrets; false: one of them may not be used any more. */
  countRequest(names: readonly string[]): boolean;
  /** Counts bytes of such a request or of its answer; false: these were the last. */
  countBytes(names: readonly string[], bytes: number): boolean;
  /** Whether all of them exist, have a value, and may be used. */
  areUsable(names: readonly string[]): boolean;
  uses(): Readonly<Record<string, SecretUse>>;
}

interface Entry extends ServedSecret {
  readonly used: { requests: number; bytes: number };
  readonly placeholderForms: readonly string[];
}

export function secretSet(
  served: readonly ServedSecret[],
  before: Readonly<Record<string, SecretUse>> = {},
): SecretSet {
  const entries = new Map(served.map((each) => [each.name, entryOf(each, before[each.name])]));
  const all = [...entries.values()];
  const isFor = ({ hosts }: Entry, { host, port }: Pick<Place, 'host' | 'port'>): boolean =>
    host !== null && hosts.some((each) => each.port === port && coversName(each.host, host));
  const forPlace = (place: Pick<Place, 'host' | 'port'>): Entry[] => all.filter((each) => isFor(each, place));
  const watched = new Map(
    all.flatMap(({ name, placeholderForms }) =>
      placeholderForms.map((form): [Replacement, string] => [
        { wanted: Buffer.from(form), instead: Buffer.from(form) },
        name,
      ]),
    ),
  );
  const veils = new Map<string, Veil | null>();
  return {
    reads: (place) => all.some((each) => isFor(each, place)),
    place(head, place) {
      if (all.length === 0) return { ...head, used: [], wantsBody: false };
      let placed: Head = head;
      const used: string[] = [];
      let wantsBody = false;
      for (const entry of place.isVerified ? forPlace(place) : []) {
        if (entry.value === null) continue;
        const next = inject(placeValue(placed, { ...entry, value: entry.value }), entry);
        if (next.path !== placed.path || next.headers.some((each, index) => each !== placed.headers[index]))
          used.push(entry.name);
        placed = next;
        wantsBody ||= entry.positions.json.length > 0;
      }
      // What the guest sent is looked at, and not the values that are there now: one might hold another's placeholder.
      const left = used.length === 0 ? textOf(head) : textOf(placed);
      const misplaced = all.find(({ placeholderForms }) => placeholderForms.some((form) => left.includes(form)));
      if (misplaced !== undefined)
        return { refused: refusalOf(misplaced, misplaced.value === null ? 'secret_removed' : 'secret_misplaced') };
      const spent = used.map((name) => entries.get(name)).find((entry) => entry !== undefined && isSpent(entry));
      if (spent !== undefined) return { refused: refusalOf(spent, 'secret_spent') };
      return { ...placed, used, wantsBody };
    },
    inBody(body, place) {
      const used: string[] = [];
      let replaced: Buffer = body;
      for (const { name, value, positions, placeholder } of forPlace(place)) {
        const next =
          value === null || !place.isVerified ? null : replaceInFields(replaced, positions.json, placeholder, value);
        if (next === null) continue;
        used.push(name);
        replaced = next;
      }
      return used.length === 0 ? null : { body: replaced, used };
    },
    watch(onFound) {
      if (all.length === 0) return null;
      const found = new Set<string>();
      return replacing([...watched.keys()], (replacement) => {
        const name = watched.get(replacement) ?? '';
        if (!found.has(name)) onFound(name);
        found.add(name);
      });
    },
    veilFor(place) {
      const key = `${place.host ?? ''}:${place.port}`;
      const made = veils.get(key);
      if (made !== undefined) return made;
      const veil = veilOf(forPlace(place));
      if (veils.size >= mostVeils) veils.clear();
      veils.set(key, veil);
      return veil;
    },
    countRequest(names) {
      for (const name of names) {
        const entry = entries.get(name);
        if (entry === undefined || entry.value === null || isSpent(entry)) return false;
        entry.used.requests += 1;
      }
      return true;
    },
    countBytes(names, bytes) {
      let isWithin = true;
      for (const name of names) {
        const entry = entries.get(name);
        if (entry === undefined) continue;
        entry.used.bytes += bytes;
        if (entry.budget.bytes !== undefined && entry.used.bytes >= entry.budget.bytes) isWithin = false;
      }
      return isWithin;
    },
    areUsable: (names) => names.every((name) => (entries.get(name)?.value ?? null) !== null),
    uses: () => Object.fromEntries(all.map(({ name, used }) => [name, { ...used }])),
  };
}

/** Veils are made once for each place; a guest that talks to very many loses them all. */
const mostVeils = 256;

function entryOf(served: ServedSecret, before: SecretUse | undefined): Entry {
  // A process that was killed knows less than what was noted of it, and one that goes on knows more.
  const requests = Math.max(served.used.requests, before?.requests ?? 0);
  const bytes = Math.max(served.used.bytes, before?.bytes ?? 0);
  return { ...served, used: { requests, bytes }, placeholderForms: [...new Set(formsOf(served.placeholder))] };
}

const isSpent = ({ budget, used }: Entry): boolean =>
  (budget.requests !== undefined && used.requests >= budget.requests) ||
  (budget.bytes !== undefined && used.bytes >= budget.bytes);

const refusalOf = ({ name }: Entry, code: Verdict['code']): Verdict => ({
  allowed: false,
  code,
  rule: `secret ${name}`,
  byAddress: false,
});

/** Sets the header that the hosts of a secret get, in the place of what the guest sent in it. */
function inject({ path, headers }: Head, { inject: wanted, value }: Entry): Head {
  if (wanted === null || value === null) return { path, headers };
  const others = [...pairsOf(headers)].filter(([name]) => name.toLowerCase() !== wanted.header.toLowerCase());
  return { path, headers: [...others.flat(), wanted.header, wanted.format.replace('{}', () => value)] };
}

const textOf = ({ path, headers }: Head): string => `${path}\n${headers.join('\n')}`;

function veilOf(entries: readonly Entry[]): Veil | null {
  const replacements = new Map<string, Replacement>();
  for (const { value, placeholder } of entries) {
    if (value === null) continue;
    // The forms are in the same order for both; a form of the placeholder that is as long takes its place.
    const placeholders = formsOf(placeholder);
    for (const [index, form] of formsOf(value).entries()) {
      const same = placeholders[index] ?? '';
      const instead = same.length === form.length ? same : '*'.repeat(form.length);
      replacements.set(form, { wanted: Buffer.from(form), instead: Buffer.from(instead) });
    }
  }
  if (replacements.size === 0) return null;
  // Longer forms come first, because shorter ones may be parts of them.
  const all = [...replacements.values()].toSorted((one, other) => other.wanted.length - one.wanted.length);
  return {
    filter: () => replacing(all),
    hide(text) {
      const filter = replacing(all);
      const bytes = Buffer.from(text, 'latin1');
      return Buffer.concat([filter.write(bytes), filter.end()]).toString('latin1');
    },
  };
}
