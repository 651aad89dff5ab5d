/** What is being done with a run. Its state runs ahead of the log while `deciding` and `appending`; nobody reads it then. */
export type Phase =
  /** Nothing is known of the run. */
  | 'unread'
  /** Its stream is being read. */
  | 'reading'
  /** What is known is what the log says; nothing is under way. */
  | 'resting'
  /** The same; and answers wait a moment for others to be decided with. */
  | 'coalescing'
  /** Commands become events. */
  | 'deciding'
  /** The events are on their way into the log. */
  | 'appending'
  /** What is known is what the log says: the owner and whoever asked are being told. */
  | 'publishing'
  /** Readers look at the state until the turn of the event loop ends. */
  | 'shown'
  /** Others append to the run: it is read again after a pause. */
  | 'pausing'
  /** It has left memory, and is read again when somebody asks for it. */
  | 'closed';

export type Signal =
  | 'read'
  | 'presumed new'
  | 'loaded'
  | 'coalesce'
  | 'decide'
  | 'decided nothing'
  | 'append'
  | 'committed'
  | 'conflict'
  | 'no room'
  | 'observe'
  | 'show'
  | 'rest'
  | 'close';

/** All that may happen to a mailbox. Whatever is not in here is a bug. */
export const TRANSITIONS: Readonly<Record<Phase, Readonly<Partial<Record<Signal, Phase>>>>> = {
  unread: { read: 'reading', 'presumed new': 'resting', observe: 'publishing', close: 'closed' },
  reading: { loaded: 'publishing', close: 'closed' },
  resting: {
    decide: 'deciding',
    coalesce: 'coalescing',
    read: 'reading',
    observe: 'publishing',
    show: 'shown',
    close: 'closed',
  },
  coalescing: { decide: 'deciding', read: 'reading', observe: 'publishing', show: 'shown', close: 'closed' },
  deciding: { append: 'appending', 'decided nothing': 'publishing', close: 'closed' },
  appending: { committed: 'publishing', conflict: 'pausing', 'no room': 'unread', close: 'closed' },
  publishing: { show: 'shown', rest: 'resting', close: 'closed' },
  shown: { rest: 'resting', close: 'closed' },
  pausing: { read: 'reading', close: 'closed' },
  closed: {},
};

/** What is known is what the log says, and nothing is under way. */
export const isAtRest = ({ phase }: { readonly phase: Phase }): boolean =>
  phase === 'resting' || phase === 'coalescing';

/** Why a mailbox is closed, when it is not for a fault. */
export const SHARD_RELEASED = new Error('the shard of the run is not owned here any more');
export const STOPPED = new Error('the engine has stopped');
export const LEFT = new Error('the run has left memory');
