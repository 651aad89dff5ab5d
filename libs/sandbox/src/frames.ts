import type { SandboxLanguage, SandboxRequest } from './sandbox.js';

// What goes between the service and a child, as bytes on two pipes. To the child: the lengths of a head and of a text, then both.
// From it: the length of a text, a kind, the number of the request and the microseconds it took, then the text.

/** All of a request but what its names stand for. */
export type RequestHead = {
  readonly id: number;
  readonly language: SandboxLanguage;
  readonly source: string;
  readonly instantMs: number;
  readonly seed: string;
  readonly namespace: string;
  readonly limits: SandboxRequest['limits'];
};

/** What a child says: that it is there, that it begins (its preparations took time), or what came of a request. */
export const ANSWER_KINDS = ['ready', 'begun', 'value', 'error'] as const;
export type AnswerKind = (typeof ANSWER_KINDS)[number];

export type Answer = { readonly kind: AnswerKind; readonly id: number; readonly us: number; readonly text: string };

const REQUEST_HEADER = 8;
const ANSWER_HEADER = 13;

/** The names as one JSON object; what they stand for is not parsed. */
const textOfNames = (names: SandboxRequest['names']): string => {
  let text = '{';
  for (const name in names) text += `${text === '{' ? '' : ','}${JSON.stringify(name)}:${names[name]}`;
  return `${text}}`;
};

export const requestFrame = (id: number, { names, ...request }: SandboxRequest): Buffer => {
  const head: RequestHead = { id, ...request };
  const headText = JSON.stringify(head);
  const text = textOfNames(names);
  const headBytes = Buffer.byteLength(headText);
  const textBytes = Buffer.byteLength(text);
  const frame = Buffer.allocUnsafe(REQUEST_HEADER + headBytes + textBytes);
  frame.writeUInt32LE(headBytes, 0);
  frame.writeUInt32LE(textBytes, 4);
  frame.write(headText, REQUEST_HEADER);
  frame.write(text, REQUEST_HEADER + headBytes);
  return frame;
};

export const answerFrame = ({ kind, id, us, text }: Answer): Buffer => {
  const textBytes = Buffer.byteLength(text);
  const frame = Buffer.allocUnsafe(ANSWER_HEADER + textBytes);
  frame.writeUInt32LE(textBytes, 0);
  frame.writeUInt8(ANSWER_KINDS.indexOf(kind), 4);
  frame.writeUInt32LE(id, 5);
  frame.writeUInt32LE(Math.min(us, 0xffffffff), 9);
  frame.write(text, ANSWER_HEADER);
  return frame;
};

/** Bytes that have come and are no whole frame yet. */
class Unread {
  #bytes: Buffer = Buffer.alloc(0);
  #from = 0;

  add(bytes: Buffer): void {
    const rest = this.#bytes.subarray(this.#from);
    this.#bytes = rest.length === 0 ? bytes : Buffer.concat([rest, bytes]);
    this.#from = 0;
  }

  /** The next frame, when all of it is there. */
  take(header: number, lengthOf: (bytes: Buffer, at: number) => number): Buffer | null {
    if (this.#bytes.length - this.#from < header) return null;
    const end = this.#from + header + lengthOf(this.#bytes, this.#from);
    if (this.#bytes.length < end) return null;
    const frame = this.#bytes.subarray(this.#from, end);
    this.#from = end;
    return frame;
  }
}

export class RequestReader {
  readonly #unread = new Unread();

  /** The bytes are the reader's from here on. */
  add(bytes: Buffer): void {
    this.#unread.add(bytes);
  }

  next(): { readonly head: RequestHead; readonly names: string } | null {
    const frame = this.#unread.take(REQUEST_HEADER, (bytes, at) => bytes.readUInt32LE(at) + bytes.readUInt32LE(at + 4));
    if (frame === null) return null;
    const headEnd = REQUEST_HEADER + frame.readUInt32LE(0);
    // Written by `requestFrame` above.
    const head = JSON.parse(frame.toString('utf8', REQUEST_HEADER, headEnd)) as RequestHead;
    return { head, names: frame.toString('utf8', headEnd) };
  }
}

export class AnswerReader {
  readonly #unread = new Unread();

  /** The bytes are the reader's from here on. */
  add(bytes: Buffer): void {
    this.#unread.add(bytes);
  }

  next(): Answer | null {
    const frame = this.#unread.take(ANSWER_HEADER, (bytes, at) => bytes.readUInt32LE(at));
    if (frame === null) return null;
    const kind = ANSWER_KINDS[frame.readUInt8(4)] ?? 'error';
    return { kind, id: frame.readUInt32LE(5), us: frame.readUInt32LE(9), text: frame.toString('utf8', ANSWER_HEADER) };
  }
}
