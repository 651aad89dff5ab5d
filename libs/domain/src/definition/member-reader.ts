import { below, quoted } from './finding.js';
import { nearestName } from './known-name.js';
import { kindOf, refuse, type Kind, type MemberTable, type Place } from './member-kind.js';
import { isRecord } from './record.js';

/** Reads the members of one object of a definition by their table. What is absent or wrong reads as `undefined`; what is wrong is a finding. */
export class MemberReader<Values> {
  private constructor(
    readonly place: Place,
    private readonly members: Readonly<Record<string, unknown>>,
    private readonly table: MemberTable<Values>,
  ) {}

  static of<Values>(value: unknown, place: Place, table: MemberTable<Values>): MemberReader<Values> | undefined {
    if (isRecord(value)) return MemberReader.over(value, place, table);
    return refuse(place, `This must be an object, not ${kindOf(value)}`);
  }

  static over<Values>(
    members: Readonly<Record<string, unknown>>,
    place: Place,
    table: MemberTable<Values>,
  ): MemberReader<Values> {
    return new MemberReader(place, members, table);
  }

  has(key: string): boolean {
    return Object.hasOwn(this.members, key) && this.members[key] !== undefined;
  }

  raw(key: string): unknown {
    return this.has(key) ? this.members[key] : undefined;
  }

  read<Key extends keyof Values & string>(key: Key): Values[Key] | undefined {
    return this.has(key) ? this.table[key].read(this.members[key], this.at(key)) : undefined;
  }

  readOr<Key extends keyof Values & string>(key: Key, otherwise: Values[Key]): Values[Key] {
    const value = this.read(key);
    return value === undefined ? otherwise : value;
  }

  /** The place of a member. */
  at(key: string): Place {
    return { ...this.place, pointer: below(this.place.pointer, key), label: quoted(key) };
  }

  /** Finds the members that nobody knows, those that only later versions know, and those that are missing. */
  check(later: readonly string[] = []): void {
    const { findings, pointer } = this.place;
    const known: string[] = [];
    for (const key in this.table) known.push(key);
    for (const key of Object.keys(this.members)) {
      if (known.includes(key)) continue;
      if (later.includes(key)) {
        refuse(this.at(key), `"${key}" is not available in this version`);
      } else {
        const meant = findings.isFull() ? null : nearestName(key, known);
        refuse(this.at(key), `There is no member ${quoted(key)} here; known are ${known.join(', ')}`, meant);
      }
    }
    for (const key in this.table) {
      const whenMissing = this.table[key].required;
      if (whenMissing !== undefined && !this.has(key)) findings.error(pointer, whenMissing);
    }
  }
}

/** An object with members of its own, whose schema stands under a name. */
export const object = <Values>(
  table: MemberTable<Values>,
  { schema, later = [] }: { readonly schema: string; readonly later?: readonly string[] },
): Kind<MemberReader<Values>> => ({
  schema: () => ({ $ref: `#/$defs/${schema}` }),
  read: (value, place) => {
    const reader = MemberReader.of(value, place, table);
    reader?.check(later);
    return reader;
  },
});
