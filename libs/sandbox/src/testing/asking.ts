import type { JsonText } from '#domain';
import { parseStrictJson, silentLog, systemClock } from '#runtime';
import { ChildPool, type ChildPoolOptions } from '../child-pool.js';
import type { Sandbox, SandboxRequest, SandboxResult } from '../sandbox.js';

export const openPool = (options: Partial<ChildPoolOptions> = {}): ChildPool =>
  new ChildPool(systemClock, silentLog, { children: 2, memoryMb: 64, ...options });

const USUAL: SandboxRequest = {
  language: 'js',
  source: '() => null',
  names: {},
  instantMs: Date.parse('2026-01-02T03:04:05.006Z'),
  seed: 'seed',
  namespace: 'default',
  limits: { ms: 5_000, memoryMb: 64, resultMaxBytes: 262_144 },
};

export const jsonOf = (text: string): JsonText => {
  const parsed = parseStrictJson(text);
  if (parsed.status === 'refused') throw new Error(parsed.fault.detail);
  return parsed.text;
};

/** A request like any other but for what is given; `input`: as JSON text. */
export const requestOf = (given: Partial<SandboxRequest> & { readonly input?: string }): SandboxRequest => {
  const { input, ...rest } = given;
  return { ...USUAL, ...(input === undefined ? {} : { names: { input: jsonOf(input) } }), ...rest };
};

export const ask = (sandbox: Sandbox, given: Parameters<typeof requestOf>[0]): Promise<SandboxResult> =>
  new Promise((resolve, reject) => {
    if (!sandbox.evaluate(requestOf(given), resolve)) reject(new Error('there was no room'));
  });

/** The value as JSON text, or the error's name. */
export const outcomeOf = (result: SandboxResult): string => ('value' in result ? result.value : result.error.name);
