// Functions of this file run inside an isolate: see guest-lock.ts.

export type GuestBase64 = { btoa: (text: string) => string; atob: (text: string) => string };

/** Base64 as JSONata asks a browser for it: one character a byte. */
export const guestBase64 = (): GuestBase64 => {
  const DIGITS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
  const btoa = (text: string): string => {
    let encoded = '';
    for (let at = 0; at < text.length; at += 3) {
      const [a, b, c] = [text.charCodeAt(at), text.charCodeAt(at + 1), text.charCodeAt(at + 2)];
      if ((a | b | c) > 255) throw new RangeError('a character past U+00FF has no place in base64');
      encoded += DIGITS[a >> 2]! + DIGITS[((a & 3) << 4) | (b >> 4)]!;
      encoded += at + 1 < text.length ? DIGITS[((b & 15) << 2) | (c >> 6)]! : '=';
      encoded += at + 2 < text.length ? DIGITS[c & 63]! : '=';
    }
    return encoded;
  };
  const atob = (text: string): string => {
    let decoded = '';
    let bits = 0;
    let held = 0;
    for (const char of text.replace(/[\s=]/g, '')) {
      const digit = DIGITS.indexOf(char);
      if (digit === -1) throw new RangeError('the text is not base64');
      bits = ((bits << 6) | digit) & 0xffff;
      held += 6;
      if (held < 8) continue;
      held -= 8;
      decoded += String.fromCharCode((bits >> held) & 0xff);
    }
    return decoded;
  };
  return { btoa, atob };
};
