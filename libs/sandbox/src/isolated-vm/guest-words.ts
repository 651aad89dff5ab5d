// Functions of this file run inside an isolate: see guest-lock.ts.

/** Errors of users' code in words. Whatever is asked of what they threw may be a trap, which counts as no answer. */
export type GuestWords = {
  ofScript: (thrown: unknown) => string;
  ofExpression: (thrown: unknown, source: string) => string;
};

/** `linesBefore`: in the text that a script is compiled in. */
export const guestWords = (linesBefore: number): GuestWords => {
  const PLACE = /\bscript\.js:([0-9]+):([0-9]+)/;
  const CHARS_MAX = 1_000;
  const UNKNOWN = 'it threw what cannot be shown';
  const textOf = (value: unknown): string => {
    const text = `${value as string}`;
    return text.length <= CHARS_MAX ? text : `${text.slice(0, CHARS_MAX)}…`;
  };

  const ofScript = (thrown: unknown): string => {
    try {
      if (!(thrown instanceof Error))
        return textOf(`it threw ${typeof thrown === 'object' ? JSON.stringify(thrown) : textOf(thrown)}`);
      const { name, message, stack } = thrown;
      const [, line, column] = PLACE.exec(textOf(stack)) ?? [];
      const place = line === undefined ? '' : ` (${Number(line) - linesBefore}:${column})`;
      return textOf(`${textOf(name)}: ${textOf(message)}`) + place;
    } catch {
      return UNKNOWN;
    }
  };

  // The errors of JSONata are objects with a code and a position; those of the engine have no place.
  const ofExpression = (thrown: unknown, source: string): string => {
    try {
      const { code, message, position } = thrown as { code?: unknown; message?: unknown; position?: unknown };
      const words = textOf(code === undefined ? textOf(message) : `${textOf(code)}: ${textOf(message)}`);
      if (typeof position !== 'number') return words;
      const before = source.slice(0, position).split('\n');
      return `${words} (${before.length}:${Math.max(1, before.at(-1)!.length)})`;
    } catch {
      return UNKNOWN;
    }
  };

  return { ofScript, ofExpression };
};
