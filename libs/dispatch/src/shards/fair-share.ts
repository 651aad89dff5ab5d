/** A dispatcher that lives, and how many shards it owns. */
export type Sharer = { readonly id: string; readonly shards: number };

/**
 * How many of `total` one of the sharers should own: the floor or the ceiling of an equal part. The ceilings go to those
 * who own the most, so that a fair sharing stays as it is and an unfair one is mended by the fewest moves. Among equals
 * the order of the sharers decides, in which all must agree.
 */
export const fairShare = (sharers: readonly Sharer[], id: string, total: number): number => {
  const floor = Math.floor(total / sharers.length);
  const ceilings = total - floor * sharers.length;
  // What is over the ceiling has to go anyway, and must not change the order while it is on its way.
  const ranked = sharers.map((sharer) => ({ id: sharer.id, shards: Math.min(sharer.shards, floor + 1) }));
  ranked.sort((a, b) => b.shards - a.shards);
  return ranked.findIndex((sharer) => sharer.id === id) < ceilings ? floor + 1 : floor;
};
