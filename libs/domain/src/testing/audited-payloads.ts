import type { StepCompleted } from '../events.js';
import type { PayloadRef } from '../payload.js';

/** What a member of an event's data holds: a payload, or references to payloads stored before. */
type Stored = string | readonly (PayloadRef | null)[];

/** The payloads of a history as somebody finds them who reads it by hand: member by member, and one reference after the other. */
export class AuditedPayloads {
  private readonly stored = new Map<string, Stored>();

  store(revision: number, member: string, what: Stored): void {
    this.stored.set(`${revision}/${member}`, what);
  }

  storeOutput(revision: number, { output, mapped }: StepCompleted): void {
    if ('value' in output) this.store(revision, 'output', output.value);
    if ('all' in output) this.store(revision, 'outputRefs', output.all);
    if (mapped !== null) this.store(revision, 'mapped', mapped);
  }

  /** `undefined`: nothing is stored there. */
  follow({ revision, pointer }: PayloadRef): string | undefined {
    const [, member = '', ...rest] = pointer.split('/');
    const found = this.stored.get(`${revision}/${member}`);
    if (found === undefined || typeof found === 'string')
      return found === undefined || rest.length === 0 ? found : inside(found, rest);
    const [item, ...inner] = rest;
    if (item === undefined) return this.followAll(found);
    const ref = found[Number(item)];
    if (ref === null) return inner.length === 0 ? 'null' : undefined;
    return ref && this.follow({ ...ref, pointer: [ref.pointer, ...inner].join('/') });
  }

  private followAll(refs: readonly (PayloadRef | null)[]): string | undefined {
    const texts = refs.map((ref) => (ref === null ? 'null' : this.follow(ref)));
    return texts.includes(undefined) ? undefined : `[${texts.join(',')}]`;
  }
}

/** Of payloads that `JSON.stringify` writes as they are. */
const inside = (text: string, tokens: readonly string[]): string | undefined => {
  let value: unknown = JSON.parse(text);
  for (const token of tokens) {
    const name = token.replaceAll('~1', '/').replaceAll('~0', '~');
    value =
      typeof value === 'object' && value !== null
        ? Object.entries(value).find(([key]) => key === name)?.[1]
        : undefined;
  }
  return JSON.stringify(value) as string | undefined;
};
