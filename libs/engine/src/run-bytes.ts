import type { RunEvent, RunState } from '#domain';

/** Measured: what objects, maps and keys take of a run, a step, an attempt. Rather too much than too little. */
const RUN_BYTES = 3_000;
const STEP_BYTES = 1_200;
const ATTEMPT_BYTES = 400;
/** A character outside Latin-1 makes all of its text take two bytes each. */
const CHARACTER_BYTES = 2;

/** What the event that was folded last has added to the run in memory, about. Cheap: no text is looked at. */
export const bytesAdded = (run: RunState, event: RunEvent): number => {
  let texts = 0;
  for (const { text } of run.payloads.get(run.revision) ?? []) texts += text.length * CHARACTER_BYTES;
  switch (event.type) {
    case 'RunStarted':
      return RUN_BYTES + texts;
    case 'StepEntered':
    case 'StepSkipped':
      return STEP_BYTES + texts;
    case 'AttemptStarted':
      return ATTEMPT_BYTES;
    case 'AttemptFailed':
      return ((event.error.cause?.length ?? 0) + (event.body?.length ?? 0)) * CHARACTER_BYTES;
    default:
      return texts;
  }
};
