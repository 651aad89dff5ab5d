import { createRequire } from 'node:module';
import { describe, expect, it } from '@jest/globals';
import { isTooLarge } from './kafka-publisher.js';

// What the driver makes of an answer: its table of errors and its wrappers.
const { createErrorFromCode } = createRequire(import.meta.url)('kafkajs/src/protocol/error') as {
  createErrorFromCode: (code: number) => Error;
};
const { KafkaJSNonRetriableError } = createRequire(import.meta.url)('kafkajs') as {
  KafkaJSNonRetriableError: new (error: Error, options: ErrorOptions) => Error;
};

describe('isTooLarge', () => {
  it.each([
    ['MESSAGE_TOO_LARGE', 10, true],
    ['RECORD_LIST_TOO_LARGE', 18, true],
    ['NOT_LEADER_FOR_PARTITION', 6, false],
    ['TOPIC_AUTHORIZATION_FAILED', 29, false],
  ])('knows %s, by itself and in what the driver wraps it in', (_, code, tooLarge) => {
    const error = createErrorFromCode(code);
    expect(isTooLarge(error)).toBe(tooLarge);
    expect(isTooLarge(new KafkaJSNonRetriableError(error, { cause: error }))).toBe(tooLarge);
  });
});
