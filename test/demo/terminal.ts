import { styleText } from 'node:util';

type Style = Parameters<typeof styleText>[0];

/** Text in a style on a terminal that shows colours; plain elsewhere, and where NO_COLOR asks for it. */
export const styled = (style: Style, text: string): string =>
  styleText(style, text, { stream: process.stdout, validateStream: true });

export const bold = (text: string): string => styled('bold', text);
export const dim = (text: string): string => styled('dim', text);
export const green = (text: string): string => styled('green', text);
export const red = (text: string): string => styled('red', text);
export const yellow = (text: string): string => styled('yellow', text);
export const cyan = (text: string): string => styled('cyan', text);

export const line = (text = ''): void => {
  process.stdout.write(text === '' ? '\n' : `  ${text}\n`);
};

/** A line that says what is being done, then how it went: rewritten in place on a terminal, printed once elsewhere. */
export const announce = async <T>(what: string, act: () => Promise<T>, outcome: (value: T) => string): Promise<T> => {
  const live = process.stdout.isTTY;
  if (live) process.stdout.write(`  ${dim('…')} ${what}`);
  try {
    const value = await act();
    process.stdout.write(`${live ? '\r\u001b[K' : ''}  ${green('✔')} ${what.padEnd(WHAT_WIDTH)} ${outcome(value)}\n`);
    return value;
  } catch (fault) {
    process.stdout.write(`${live ? '\r\u001b[K' : ''}  ${red('✘')} ${what}\n`);
    throw fault;
  }
};

const WHAT_WIDTH = 30;

/** A duration as a person says it: `34 ms`, `1.52 s`. */
export const duration = (ms: number): string => (ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(2)} s`);

/** Pads by what is seen, not by the codes of colours. */
export const padded = (text: string, width: number): string =>
  text + ' '.repeat(Math.max(0, width - visibleLength(text)));

// oxlint-disable-next-line no-control-regex -- colours are control characters
const COLOURS = /\u001b\[[0-9;]*m/g;
const visibleLength = (text: string): number => text.replaceAll(COLOURS, '').length;
