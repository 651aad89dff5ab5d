/** How to take back what was folded: costs what that changed, and not the run. */
export class Undo {
  private readonly changes: (() => void)[] = [];

  get isEmpty(): boolean {
    return this.changes.length === 0;
  }

  note(takeBack: () => void): void {
    this.changes.push(takeBack);
  }

  /** Takes all of it back, the last change first. */
  takeBack(): void {
    for (let change = this.changes.pop(); change !== undefined; change = this.changes.pop()) change();
  }
}

/** Where the fold that goes on at this moment is noted. Folding is never interrupted, so one place serves all runs. */
let noting: Undo | null = null;

/** Folds, and notes how to take it back when there is where to. */
export const noted = <T>(undo: Undo | null, fold: () => T): T => {
  noting = undo;
  try {
    return fold();
  } finally {
    noting = null;
  }
};

/** Notes how to take back what is changed next. `howTo` looks at it as it is before, and is not called when nothing is noted. */
export const beforeChange = (howTo: () => () => void): void => {
  if (noting !== null) noting.note(howTo());
};

/** Notes what the fields of an object are; what a container in one of them holds is that one's to note. */
export const noteFields = (object: object): void =>
  beforeChange(() => {
    const before = { ...object };
    return () => Object.assign(object, before);
  });

/** A map whose changes are noted. */
export class NotedMap<Key, Value> extends Map<Key, Value> {
  override set(key: Key, value: Value): this {
    if (noting !== null) {
      const before = this.get(key);
      noting.note(before === undefined && !this.has(key) ? () => super.delete(key) : () => super.set(key, before!));
    }
    return super.set(key, value);
  }

  override delete(key: Key): boolean {
    if (noting !== null && this.has(key)) {
      const before = this.get(key)!;
      noting.note(() => super.set(key, before));
    }
    return super.delete(key);
  }

  override clear(): void {
    if (noting !== null) for (const [key, value] of this) noting.note(() => super.set(key, value));
    super.clear();
  }
}

/** A set whose changes are noted. */
export class NotedSet<Key> extends Set<Key> {
  override add(key: Key): this {
    if (noting !== null && !this.has(key)) noting.note(() => super.delete(key));
    return super.add(key);
  }

  override delete(key: Key): boolean {
    if (noting !== null && this.has(key)) noting.note(() => super.add(key));
    return super.delete(key);
  }

  override clear(): void {
    if (noting !== null) for (const key of this) noting.note(() => super.add(key));
    super.clear();
  }
}
