import type { RunState } from '#domain';

/** Measured: what objects, maps and keys take of a run, and of a step with its attempts. Rather too much than too little. */
const RUN_BYTES = 3_000;
const STEP_BYTES = 1_600;
/** A character outside Latin-1 makes all of its text take two bytes each. */
const CHARACTER_BYTES = 2;

/** What a run in memory takes, about: of what is open in it. Cheap: no text is looked at. */
export const bytesOf = ({ steps, payloadChars }: RunState): number =>
  RUN_BYTES + steps.size * STEP_BYTES + payloadChars * CHARACTER_BYTES;
