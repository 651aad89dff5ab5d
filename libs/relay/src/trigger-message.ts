import { parseStrictJson, sha256Hex } from '#runtime';
import type { Refusal } from './dead-letter.js';
import type { TopicMessage } from './publisher.js';
import type { TriggeredStart } from './start-runs.js';

/** A message as it came from a topic. */
export type TriggerMessage = TopicMessage & {
  readonly topic: string;
  readonly partition: number;
  /** Its place in the partition, as decimal digits: it may have more than JavaScript's numbers hold. */
  readonly offset: string;
};

export type TriggerForm = {
  /** The header that holds the idempotency key; a message without it is known by its place. */
  readonly keyHeader: string;
  /** The workflow that is started with the message as its input; `null`: the message is the body of `POST /v1/runs`. */
  readonly workflow: string | null;
};

const KEY_LENGTH_MAX = 255;

/** The start that a message asks for, or why it asks for none. */
export const parseTrigger = (
  message: TriggerMessage,
  form: TriggerForm,
): TriggeredStart | { readonly refusal: Refusal } => {
  const { value } = message;
  if (value === null) return refused('empty-message', 'The message has no value.');
  const key = keyOf(message, form.keyHeader);
  if (key === null) return refused('idempotency-key-invalid', `The header ${form.keyHeader} is there several times.`);
  const traceparent = textOf(message.headers['traceparent']);
  const actor = textOf(message.headers['stepwell-actor']) ?? `kafka:${message.topic}`;
  if (form.workflow === null) return { body: value, key, traceparent, actor };
  // Parsed before it goes into a body: a text that closes it early would put members of its own beside the input.
  const parsed = parseStrictJson(value);
  if (parsed.status === 'refused') return refused(parsed.fault.code, parsed.fault.detail);
  const body = Buffer.from(`{"workflow":${JSON.stringify(form.workflow)},"input":${parsed.text}}`);
  return { body, key, traceparent, actor };
};

/** The key as it was sent, or the place of the message, which is its own for ever; `null` when there are several. */
const keyOf = ({ topic, partition, offset: place, headers }: TriggerMessage, keyHeader: string): string | null => {
  const header = headers[keyHeader];
  if (header !== undefined) return textOf(header);
  const key = `${topic}-${partition}-${place}`;
  return key.length <= KEY_LENGTH_MAX ? key : sha256Hex(key);
};

const textOf = (header: TopicMessage['headers'][string] | undefined): string | null => {
  if (header === undefined || Array.isArray(header)) return null;
  return String(header);
};

const refused = (code: string, detail: string): { readonly refusal: Refusal } => ({ refusal: { code, detail } });
