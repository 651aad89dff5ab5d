import { sha256Hex } from '#runtime';
import { Chance } from '../support/chance.js';

/** Chance for one thing of a seed's world, by its name: what befalls it does not depend on what happened before it. */
export const chanceOf = (seed: number, ...name: readonly (string | number)[]): Chance =>
  new Chance(parseInt(sha256Hex(`${seed} ${name.join(' ')}`).slice(0, 8), 16));

/** How many attempts a dispatcher may have in flight: in some worlds few, so that a slot which is not given back is missed. */
export const slotsOf = (seed: number): number => chanceOf(seed, 'slots').oneOf([1_024, 6, 3]);
