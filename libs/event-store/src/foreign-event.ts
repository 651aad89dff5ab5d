import { parseAsWritten } from '#runtime';

/**
 * The type by which an event is shown that somebody else has put into a stream of ours, by a page of the server for one. It
 * means nothing: it takes its revision, and all goes on.
 */
export const FOREIGN = 'Foreign' as const;

/** So much of it is shown; the server has the rest. */
const CONTENT_CHARS_MAX = 64 * 1024;

/** What there is to say of such an event: the type that it has in the log, how large it is, and what is in it, if that is JSON. */
export const foreignData = ({ eventType, data }: { readonly eventType: string; readonly data: string }): string => {
  const bytes = Buffer.byteLength(data);
  return `{"eventType":${JSON.stringify(eventType)},"bytes":${bytes},"content":${contentOf(data)}}`;
};

const contentOf = (data: string): string => {
  if (data.length > CONTENT_CHARS_MAX) return 'null';
  try {
    return JSON.stringify(parseAsWritten(data));
  } catch {
    return 'null';
  }
};
