import type { Policy, PolicyId } from '../plan.js';

/** The policies of a definition in the order in which its steps first need them, each once. */
export class PolicyTable {
  readonly policies: Policy[] = [];
  private readonly ids = new Map<string, PolicyId>();

  /** Made of members in one order, so that equal policies have one text. */
  idOf(policy: Policy): PolicyId {
    const text = JSON.stringify(policy);
    const known = this.ids.get(text);
    if (known !== undefined) return known;
    const id = this.policies.push(policy) - 1;
    this.ids.set(text, id);
    return id;
  }
}
