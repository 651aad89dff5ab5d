/** A start that a message asks for. */
export type TriggeredStart = {
  /** The body of `POST /v1/runs`, as it came: whoever starts the run parses it. */
  readonly body: Uint8Array;
  /** The caller's idempotency key, or what stands for it; not yet checked. */
  readonly key: string;
  readonly traceparent: string | null;
  /** Who asks, by the word of the message; not yet checked. */
  readonly actor: string;
};

export type TriggeredStartOutcome =
  /** The start is in the log, durably. `replayed`: it was so already, by the same key and payload. */
  | { readonly status: 'started' | 'replayed'; readonly id: string }
  /** For good: the same message would be refused again. `code` is that of the problem `POST /v1/runs` would answer with. */
  | { readonly status: 'refused'; readonly code: string; readonly detail: string }
  /** Nobody knows whether it is in the log: the very same start is to be repeated. */
  | { readonly status: 'unavailable'; readonly cause: unknown };

/**
 * Starts runs for messages, under ids of the kind `trigger`. The same key and payload start one run however often they
 * come, from this process or another. Resolves after the append; a rejection is a mistake, and counts as `unavailable`.
 */
export abstract class StartRuns {
  abstract start(start: TriggeredStart): Promise<TriggeredStartOutcome>;
}
