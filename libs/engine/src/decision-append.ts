import type { Append, Revision } from '#event-store';
import type { DecisionBatch } from './decision-batch.js';
import type { Mailbox } from './mailbox.js';
import { audienceOf, type Owner } from './owner.js';

export type Decided = {
  /** Of the stream before the decision. */
  readonly expected: Revision;
  readonly at: string;
  /** Fresh: all ids of the append are made of it. */
  readonly commandId: string;
  readonly owner: Owner | null;
};

/** The append that records a decision; `mailbox` is the run as it is after it. */
export const appendOf = (mailbox: Mailbox, { events, origin }: DecisionBatch, decided: Decided): Append => {
  const { expected, at, commandId, owner } = decided;
  const traceparent = origin.traceparent ?? mailbox.traceparent;
  return {
    stream: mailbox.stream,
    expected,
    events,
    envelope: { commandId, recordedAt: at, actor: origin.actor, traceparent },
    audience: audienceOf(mailbox, owner),
  };
};
