/** What two dispatchers do to one shard, and how long each of their statements takes on its way there and back. */
export type OwnershipScript = {
  /** How fast the clocks go: of the two dispatchers, and of the server. 1 is true. */
  readonly rates: readonly [number, number];
  readonly serverRate: number;
  /** By dispatcher, in the order of its statements: until the server has it, until the answer is back, and a pause after it. */
  readonly statements: readonly [readonly Statement[], readonly Statement[]];
};
export type Statement = { readonly thereMs: number; readonly backMs: number; readonly pauseMs: number };

export type OwnershipRules = {
  readonly beatMs: number;
  readonly lateMs: number;
  readonly silentMs: number;
  /** What a holder counts its lateness from: when it sent the beat that was confirmed, or when the answer came. */
  readonly shownAt: 'sent' | 'answered';
};

type Dispatcher = {
  /** Of its membership; another after each loss. */
  id: number;
  holds: boolean;
  shownMs: number;
  silentSinceMs: number | null;
};

const STATEMENTS = ['beat', 'look', 'remove', 'claim'] as const;

/**
 * `PostgresShardOwnership` without Postgres: rows, beats and looks, no lock and no session. Gives the true times at which both
 * dispatchers might have started an attempt of the shard.
 */
export const bothMayStart = (script: OwnershipScript, rules: OwnershipRules): readonly number[] => {
  const beats = new Map<number, number>();
  let owner: number | null = null;
  let members = 0;
  const found: number[] = [];
  const all = ([0, 1] as const).map((which): Dispatcher & { readonly which: 0 | 1 } => {
    const id = members++;
    beats.set(id, 0);
    return { which, id, holds: false, shownMs: 0, silentSinceMs: null };
  });
  const ownMs = (which: 0 | 1, atMs: number): number => atMs * script.rates[which];
  const mayStart = ({ which, holds, shownMs }: (typeof all)[number], atMs: number): boolean =>
    holds && ownMs(which, atMs) - shownMs < rules.lateMs;
  const isSilent = (id: number, atMs: number): boolean =>
    atMs * script.serverRate - (beats.get(id) ?? Infinity) > rules.silentMs;

  /** What a statement does at the server; the answer is what its sender does once it is back. */
  const perform = (one: (typeof all)[number], what: (typeof STATEMENTS)[number], sentMs: number, atMs: number) => {
    const { id } = one;
    const isMember = beats.has(id);
    switch (what) {
      case 'beat':
        if (isMember) beats.set(id, atMs * script.serverRate);
        return (answeredMs: number): boolean => {
          if (isMember) one.shownMs = ownMs(one.which, rules.shownAt === 'sent' ? sentMs : answeredMs);
          return isMember;
        };
      case 'look': {
        const silent = [...beats.keys()].find((each) => each !== id && isSilent(each, atMs)) ?? null;
        return (answeredMs: number): boolean => {
          one.silentSinceMs = silent === null ? null : (one.silentSinceMs ?? ownMs(one.which, answeredMs));
          return true;
        };
      }
      case 'remove':
        if (one.silentSinceMs === null || ownMs(one.which, sentMs) - one.silentSinceMs < rules.beatMs)
          return () => true;
        for (const each of beats.keys()) {
          if (each === id || !isSilent(each, atMs)) continue;
          beats.delete(each);
          if (owner === each) owner = null;
        }
        return () => true;
      case 'claim': {
        // The foreign key: who is no member owns nothing.
        const claimed = isMember && owner === null;
        if (claimed) owner = id;
        return (): boolean => {
          if (claimed && one.id === id) one.holds = true;
          return isMember;
        };
      }
    }
  };

  const agenda: { readonly atMs: number; readonly run: (atMs: number) => void }[] = [];
  const send = (one: (typeof all)[number], index: number, atMs: number): void => {
    const statement = script.statements[one.which][index];
    if (statement === undefined) return;
    const what = STATEMENTS[index % STATEMENTS.length]!;
    agenda.push({
      atMs: atMs + statement.thereMs,
      run: (thereMs) => {
        const answered = perform(one, what, atMs, thereMs);
        agenda.push({
          atMs: thereMs + statement.backMs,
          run: (backMs) => {
            // A round that begins so late, or a statement that takes so long, is given up.
            const tookMs = ownMs(one.which, backMs) - ownMs(one.which, atMs);
            if (tookMs >= rules.silentMs || !answered(backMs)) {
              one.holds = false;
              beats.delete(one.id);
              if (owner === one.id) owner = null;
              one.id = members++;
              beats.set(one.id, backMs * script.serverRate);
              one.shownMs = ownMs(one.which, backMs);
            }
            send(one, index + 1, backMs + statement.pauseMs);
          },
        });
      },
    });
  };
  for (const one of all) send(one, 0, 0);
  while (agenda.length > 0) {
    agenda.sort((a, b) => a.atMs - b.atMs);
    const { atMs, run } = agenda.shift()!;
    run(atMs);
    // Between two events nobody becomes able to start.
    if (all.every((one) => mayStart(one, atMs))) found.push(atMs);
  }
  return found;
};
