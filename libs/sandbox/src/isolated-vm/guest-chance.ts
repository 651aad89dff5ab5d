// Functions of this file run inside an isolate: see guest-lock.ts.

/** Numbers from 0 to below 1, the same for the same seed. */
export type GuestChance = { random: () => number; seed: (text: string) => void };

/** Mulberry32 over a hash of the seed (FNV-1a): small and even, and nothing that a secret may be made of. */
export const guestChance = (): GuestChance => {
  let text = '';
  let state: number | null = null;
  const hash = (): number => {
    let hashed = 0x811c9dc5;
    for (let at = 0; at < text.length; at++) hashed = Math.imul(hashed ^ text.charCodeAt(at), 0x01000193);
    return hashed;
  };
  return {
    random: () => {
      state = ((state ?? hash()) + 0x6d2b79f5) | 0;
      let mixed = Math.imul(state ^ (state >>> 15), state | 1);
      mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
      return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
    },
    seed: (given) => {
      text = given;
      state = null;
    },
  };
};
