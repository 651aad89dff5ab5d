const PARTS = { ',': /(?:[^",]|"(?:[^"\\]|\\.)*"?)+/g, ';': /(?:[^";]|"(?:[^"\\]|\\.)*"?)+/g } as const;

/** The parts of a header between marks that stand in no quoted string, without blanks around; empty ones are none (RFC 9110, 5.6.1). */
export const splitHeader = (header: string, mark: ',' | ';'): readonly string[] =>
  (header.match(PARTS[mark]) ?? []).map((part) => part.trim()).filter((part) => part !== '');

/** The value of a parameter: what stands between quotes, or the token as it is. */
export const unquoted = (text: string): string =>
  text.startsWith('"') && text.endsWith('"') && text.length > 1 ? text.slice(1, -1).replace(/\\(.)/g, '$1') : text;
