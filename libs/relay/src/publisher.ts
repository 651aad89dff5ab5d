/** A message as it goes to a topic. Messages of one key keep their order. */
export type TopicMessage = {
  readonly key: Buffer | null;
  /** `null`: a message without a value, which Kafka calls a tombstone. */
  readonly value: Buffer | null;
  /** A header may be there several times. */
  readonly headers: Readonly<Record<string, HeaderValue | readonly HeaderValue[]>>;
};

type HeaderValue = string | Buffer;

/** `unavailable`: some of the messages may be in the topic, all are to be sent again. */
export type Published =
  | { readonly status: 'published' }
  /** The broker takes no batch, or no message, of this size. */
  | { readonly status: 'too-large'; readonly cause: unknown }
  | { readonly status: 'unavailable'; readonly cause: unknown };

/**
 * Puts messages into topics. `published` means that every replica in sync has them. Connects when it is first asked, and
 * again after a failure; it repeats nothing by itself. A key keeps its order for who makes one call after the other.
 */
export abstract class Publisher {
  abstract publish(topic: string, messages: readonly TopicMessage[]): Promise<Published>;
  /** Closes the connections; a call that is under way ends as `unavailable`. Idempotent. */
  abstract stop(): Promise<void>;
}

const OVERHEAD_BYTES = 64;
const HEADER_OVERHEAD_BYTES = 8;

/** About what a message takes in a batch, never less: lengths of all fields are counted at their longest. */
export const messageBytes = ({ key, value, headers }: TopicMessage): number => {
  let bytes = OVERHEAD_BYTES + (key?.length ?? 0) + (value?.length ?? 0);
  for (const [name, values] of Object.entries(headers)) {
    for (const value of [values].flat()) {
      bytes += HEADER_OVERHEAD_BYTES + Buffer.byteLength(name) + Buffer.byteLength(value);
    }
  }
  return bytes;
};
