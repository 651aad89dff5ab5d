import type { TopicMessage } from './publisher.js';
import type { TriggerMessage } from './trigger-message.js';

/** Why a message started no run, and never will. */
export type Refusal = { readonly code: string; readonly detail: string };

const REASON_CHARS_MAX = 1_000;

/**
 * A refused message for the dead-letter topic: as it came, with where it was and why in its headers. After it what to send
 * instead when the broker finds that too large: without its value, then without anything of its own.
 */
export const deadLetters = (message: TriggerMessage, { code, detail }: Refusal): readonly TopicMessage[] => {
  const why = {
    'stepwell-code': code,
    'stepwell-reason': detail.slice(0, REASON_CHARS_MAX),
    'stepwell-topic': message.topic,
    'stepwell-partition': String(message.partition),
    'stepwell-offset': message.offset,
  };
  const { key, value, headers } = message;
  const truncated = { ...why, 'stepwell-truncated': 'true' };
  return [
    { key, value, headers: { ...headers, ...why } },
    { key, value: null, headers: { ...headers, ...truncated } },
    { key: null, value: null, headers: truncated },
  ];
};
