import { describe, expect, it } from '@jest/globals';
import { errors } from 'undici';
import { faultOfError } from './fault-of-error.js';

const BEFORE = { sent: false, answering: false };
const SENT = { sent: true, answering: false };
const ANSWERING = { sent: true, answering: true };

type Names = readonly [before: string, sent: string, answering: string];
const USUAL: Names = ['ConnectFailed', 'ConnectionLost', 'ConnectionLost'];
const OF_REQUEST: Names = ['InvalidRequest', 'ConnectionLost', 'ConnectionLost'];
const TIMEOUT: Names = ['Timeout', 'Timeout', 'Timeout'];
const NOT_HTTP: Names = ['ConnectFailed', 'InvalidAnswer', 'InvalidAnswer'];

/** Each class of errors that undici has, and what it is named before the first byte, after it, and past the answer's head. */
const BY_CLASS: Readonly<Record<string, Names>> = {
  AbortError: USUAL,
  BalancedPoolMissingUpstreamError: USUAL,
  BodyTimeoutError: TIMEOUT,
  ClientClosedError: USUAL,
  ClientDestroyedError: USUAL,
  ConnectTimeoutError: TIMEOUT,
  HTTPParserError: NOT_HTTP,
  HeadersOverflowError: NOT_HTTP,
  HeadersTimeoutError: TIMEOUT,
  InformationalError: USUAL,
  InvalidArgumentError: OF_REQUEST,
  InvalidReturnValueError: USUAL,
  MaxOriginsReachedError: USUAL,
  MaxRedirectsError: USUAL,
  MessageSizeExceededError: USUAL,
  NotSupportedError: OF_REQUEST,
  ProxyConnectionError: USUAL,
  RequestAbortedError: USUAL,
  RequestContentLengthMismatchError: OF_REQUEST,
  RequestRetryError: USUAL,
  ResponseContentLengthMismatchError: ['ConnectFailed', 'InvalidAnswer', 'ConnectionLost'],
  ResponseError: USUAL,
  ResponseExceededMaxSizeError: USUAL,
  SecureProxyConnectionError: USUAL,
  SocketError: USUAL,
  Socks5ProxyError: USUAL,
  UndiciError: USUAL,
  WebAssemblyNotSupportedError: USUAL,
};

const named = (error: Error): Names => [
  faultOfError(error, BEFORE).name.replace('Stepwell.', ''),
  faultOfError(error, SENT).name.replace('Stepwell.', ''),
  faultOfError(error, ANSWERING).name.replace('Stepwell.', ''),
];

describe('faultOfError', () => {
  it.each(Object.entries(errors))('names the %s of undici', (name, ErrorClass) => {
    const made: Error = Reflect.construct(ErrorClass, ['what happened', 'x', {}]);
    // Not there means that this version of undici has a class more: look where it comes from.
    expect(named(made)).toEqual(BY_CLASS[name]);
    expect(faultOfError(made, SENT).cause).toMatch(/what happened|^the connection ended/);
  });

  it('knows every class that undici has, and none that it has not', () => {
    expect(Object.keys(errors).toSorted()).toEqual(Object.keys(BY_CLASS).toSorted());
  });

  it.each([
    ['other side closed', 'ConnectionLost'],
    ['closed', 'ConnectionLost'],
    ['bad upgrade', 'InvalidAnswer'],
    ['bad response', 'InvalidAnswer'],
  ])('reads what its SocketError says: %s', (words, name) => {
    expect(named(new errors.SocketError(words))).toEqual(['ConnectFailed', name, name]);
  });

  it('takes an end in the middle of chunks for a lost connection, though the parser says it', () => {
    const words = 'Response does not match the HTTP/1.1 protocol (Invalid EOF state)';
    expect(named(Reflect.construct(errors.HTTPParserError, [words]))).toEqual(USUAL);
  });

  it.each(['ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'EHOSTUNREACH', 'ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED'])(
    'names an error of the socket by how far the exchange had come: %s',
    (code) => {
      expect(named(Object.assign(new Error(`read ${code}`), { code }))).toEqual(USUAL);
      expect(faultOfError(Object.assign(new Error(''), { code }), BEFORE).cause).toBe(code);
    },
  );
});
