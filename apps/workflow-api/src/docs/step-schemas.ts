import { z } from 'zod';
import { NextCursor, RunShape, StepShape } from './run-schemas.js';

/** The shapes of answers about steps across runs. */
const { workflow, version, namespace, queue } = RunShape.shape;
const { key, name, type, status, error, enteredAt, startedAt, finishedAt } = StepShape.shape;

export const StepListItemShape = z
  .strictObject({
    run: z.string().describe('The id of its run.'),
    workflow,
    version,
    namespace,
    queue,
    key,
    name,
    type,
    status: status.exclude(['pending', 'not-reached']),
    target: z.string().nullable().describe('The origin that its requests go to; null when it makes none.'),
    attempts: z.int().describe('How many have been started.'),
    error: error.describe('What it failed with; while another attempt follows, what the last one failed with.'),
    enteredAt: enteredAt.unwrap(),
    startedAt,
    finishedAt,
    retryAt: z.iso.datetime().nullable().describe('When the next attempt is due, while it waits for a retry.'),
  })
  .meta({
    id: 'StepListItem',
    description: 'A step in a list across runs: without its payloads, and its attempts only counted.',
  });

export const StepListShape = z
  .strictObject({ items: z.array(StepListItemShape), nextCursor: NextCursor })
  .meta({ id: 'StepList' });
