/** What one dispatcher has of a limit, and what it could use. */
export type Share = { readonly holder: string; readonly has: number; readonly wants: number };

/**
 * How a whole number is to be shared: nobody gets more than it wants while another lacks, those who lack get alike. What
 * cannot be halved goes to one after the other, by the turn; what nobody wants is spread, so that who begins need not ask.
 */
export const allot = (total: number, wants: readonly number[], turn: number): readonly number[] => {
  const shares = wants.map(() => 0);
  let left = total;
  let lacking = wants.map((_, index) => index).filter((index) => wants[index]! > 0);
  while (lacking.length > 0 && left >= lacking.length) {
    const each = Math.floor(left / lacking.length);
    for (const index of lacking) {
      const more = Math.min(each, wants[index]! - shares[index]!);
      shares[index]! += more;
      left -= more;
    }
    lacking = lacking.filter((index) => shares[index]! < wants[index]!);
  }
  if (lacking.length > 0) {
    for (let given = 0; given < left; given++) shares[lacking[(given + turn) % lacking.length]!]! += 1;
    return shares;
  }
  const spare = Math.floor(left / wants.length);
  return shares.map((share, index) => share + spare + (index < left - spare * wants.length ? 1 : 0));
};

/**
 * What this holder may have now, and what it should come to. It rises only into what the others do not have, and comes down
 * no lower than what it has in use: so the sum of what all have is never more than the total.
 */
export const nextShare = (
  total: number,
  own: Share & { readonly inUse: number },
  others: readonly Share[],
  turn: number,
): { readonly has: number; readonly goal: number } => {
  const all = [own, ...others].sort((a, b) => (a.holder < b.holder ? -1 : 1));
  const wants = all.map((share) => Math.min(total, share.wants));
  const goal = allot(total, wants, turn)[all.indexOf(own)]!;
  const taken = others.reduce((sum, { has }) => sum + has, 0);
  const room = Math.max(0, total - taken);
  return { goal, has: Math.min(room, Math.max(goal, Math.min(own.has, own.inUse))) };
};
