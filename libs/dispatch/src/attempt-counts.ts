import type { FailureClass } from '#domain';

export type AttemptClass = 'succeeded' | FailureClass;

type Target = Record<AttemptClass, number>;

export const TARGETS_COUNTED_MAX = 100;

/** Attempts that are over, by target and class. Past a number of targets the rest are counted together. */
export class AttemptCounts {
  private readonly targets = new Map<string, Target>();
  private readonly other = newTarget();

  count(origin: string, attemptClass: AttemptClass): void {
    (this.targets.get(origin) ?? this.added(origin))[attemptClass] += 1;
  }

  /** Those that there were, and no others: a target has some classes only. */
  entries(): readonly {
    readonly labels: { readonly target: string; readonly class: string };
    readonly value: number;
  }[] {
    return [...this.targets, ['other', this.other] as const].flatMap(([target, byClass]) =>
      Object.entries(byClass)
        .filter(([, value]) => value > 0)
        .map(([name, value]) => ({ labels: { class: name, target }, value })),
    );
  }

  private added(origin: string): Target {
    if (this.targets.size >= TARGETS_COUNTED_MAX) return this.other;
    const target = newTarget();
    this.targets.set(origin, target);
    return target;
  }
}

const newTarget = (): Target => ({ succeeded: 0, refused: 0, 'not-executed': 0, 'may-have-executed': 0 });
