import type { ExchangeFault } from '../classify.js';

/** How far an exchange had come when undici gave it up. */
export type Progress = {
  /** A byte of the request may have left. */
  readonly sent: boolean;
  /** The head of the answer was read. */
  readonly answering: boolean;
};

/** What an error of undici or of a socket says of the exchange that it ended. */
export const faultOfError = (error: Error, progress: Progress): Pick<ExchangeFault, 'name' | 'cause'> => {
  const words = error.message || codeOf(error) || error.name;
  if (TIMEOUTS.has(codeOf(error))) return { name: 'Stepwell.Timeout', cause: words };
  if (!progress.sent) {
    const name = OF_REQUEST.has(codeOf(error)) ? 'Stepwell.InvalidRequest' : 'Stepwell.ConnectFailed';
    return { name, cause: words };
  }
  if (isNotHttp(error, progress)) return { name: 'Stepwell.InvalidAnswer', cause: `the answer is not HTTP: ${words}` };
  return { name: 'Stepwell.ConnectionLost', cause: `${CUT}: ${words}` };
};

export const CUT = 'the connection ended before the answer was whole';

// Those of an answer are not in use: the whole exchange has one deadline, which is not undici's.
const TIMEOUTS = new Set(['UND_ERR_CONNECT_TIMEOUT', 'UND_ERR_HEADERS_TIMEOUT', 'UND_ERR_BODY_TIMEOUT']);
/** The request cannot be written as HTTP, and never will be. */
const OF_REQUEST = new Set(['UND_ERR_INVALID_ARG', 'UND_ERR_NOT_SUPPORTED', 'UND_ERR_REQ_CONTENT_LENGTH_MISMATCH']);

const isNotHttp = (error: Error, { answering }: Progress): boolean => {
  switch (codeOf(error)) {
    case 'UND_ERR_HEADERS_OVERFLOW':
      return true;
    case 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH':
      // In the head it is a length that cannot be. Past the head it is one that was not reached.
      return !answering;
    case 'UND_ERR_SOCKET':
      return error.message === 'bad upgrade' || error.message === 'bad response';
    default:
      // It has no code that tells: undici looks it up the wrong way round. An end in the middle is no fault of form.
      return error.name === 'HTTPParserError' && !error.message.includes('Invalid EOF state');
  }
};

const codeOf = (error: Error): string => ('code' in error && typeof error.code === 'string' ? error.code : '');
