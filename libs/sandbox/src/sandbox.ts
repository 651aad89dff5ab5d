import type { ErrorInfo, JsonText } from '#domain';

export type SandboxLanguage = 'jsonata' | 'js';

/** What one evaluation may take; past it, it ends with a named error. */
export type SandboxLimits = {
  readonly ms: number;
  readonly memoryMb: number;
  readonly resultMaxBytes: number;
};

/**
 * One expression or script, and all that its value depends on: the same request gives the same value, whenever and wherever it is
 * evaluated, and leaves nothing behind.
 */
export type SandboxRequest = {
  readonly language: SandboxLanguage;
  /** An expression of JSONata, or one of JavaScript whose value is a function of the names: `({ input }) => input.total`. */
  readonly source: string;
  /** What the names stand for: `$input` of an expression, the member `input` of a script's argument. */
  readonly names: Readonly<Record<string, JsonText>>;
  /** What the clock shows, all the time, in milliseconds since the epoch. */
  readonly instantMs: number;
  /** What chance is made of. */
  readonly seed: string;
  /** Whose it is. Namespaces take turns, and share no isolate. */
  readonly namespace: string;
  readonly limits: SandboxLimits;
};

/** A value; what gives nothing gives null. */
export type SandboxResult = { readonly value: JsonText } | { readonly error: ErrorInfo };

/** The names of errors that an evaluation may end with. Nobody retries them: the same would come again. */
export const SANDBOX_ERRORS = {
  expressionFailed: 'Stepwell.ExpressionFailed',
  scriptFailed: 'Stepwell.ScriptFailed',
  timeout: 'Stepwell.ScriptTimeout',
  memory: 'Stepwell.ScriptMemory',
  resultInvalid: 'Stepwell.ScriptResultInvalid',
  resultTooLarge: 'Stepwell.PayloadTooLarge',
} as const;

/** Evaluates what users wrote, out of reach of the service. */
export abstract class Sandbox {
  /**
   * Calls back once with the value or a named error; never after `stop`. `false`: the namespace has too many waiting. Then the
   * request was not taken, and `whenRoom` says when to come again.
   */
  abstract evaluate(request: SandboxRequest, done: (result: SandboxResult) => void): boolean;
  /** Calls back once, when the namespace has room for one more; those who wait are called in their order. */
  abstract whenRoom(namespace: string, call: () => void): void;
  /** Ends all processes. What is waiting is not answered any more. */
  abstract stop(): Promise<void>;
}
