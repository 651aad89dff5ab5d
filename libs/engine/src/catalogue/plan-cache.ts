import type { Plan } from '#domain';

type Entry = { readonly plan: Plan; used: boolean };

/**
 * Plans in memory, by hash, bounded by their nodes together (some 600 bytes each). Looked at before every start, so a
 * hit only leaves a mark; who makes room passes over what was marked since it last came by.
 */
export class PlanCache {
  private readonly entries = new Map<string, Entry>();
  private nodes = 0;

  constructor(private readonly nodesMax: number) {}

  get(hash: string): Plan | null {
    const entry = this.entries.get(hash);
    if (entry === undefined) return null;
    entry.used = true;
    return entry.plan;
  }

  keep(hash: string, plan: Plan): void {
    if (this.entries.has(hash)) return;
    this.entries.set(hash, { plan, used: false });
    this.nodes += plan.nodes.length;
    // A map that grows while it is walked is walked on, so what moves to the end comes by once more, unmarked.
    for (const [oldest, entry] of this.entries) {
      if (this.nodes <= this.nodesMax || this.entries.size === 1) return;
      this.entries.delete(oldest);
      // The newest stays, whatever its size: somebody is about to use it.
      if (entry.used || oldest === hash) this.entries.set(oldest, { plan: entry.plan, used: false });
      else this.nodes -= entry.plan.nodes.length;
    }
  }
}
