import { messageBytes, Publisher, type Published, type TopicMessage } from '../src/publisher.js';

/** A broker in memory that takes batches up to a size, as Kafka does, and that can be told to be away. */
export class MemoryPublisher extends Publisher {
  readonly topics = new Map<string, TopicMessage[]>();
  /** Bytes and messages of each batch that was taken. */
  readonly batches: { readonly bytes: number; readonly messages: number }[] = [];
  /** So many of the next calls end as unavailable. */
  failures = 0;
  /** Batches that were too large. */
  refusals = 0;

  constructor(readonly batchBytesMax: number) {
    super();
  }

  async publish(topic: string, messages: readonly TopicMessage[]): Promise<Published> {
    if (this.failures > 0) {
      this.failures--;
      return { status: 'unavailable', cause: new Error('away') };
    }
    const bytes = messages.reduce((sum, message) => sum + messageBytes(message), 0);
    if (bytes > this.batchBytesMax) {
      this.refusals++;
      return { status: 'too-large', cause: new Error(`${bytes} bytes`) };
    }
    this.batches.push({ bytes, messages: messages.length });
    this.topics.set(topic, [...(this.topics.get(topic) ?? []), ...messages]);
    return { status: 'published' };
  }

  async stop(): Promise<void> {}
}
