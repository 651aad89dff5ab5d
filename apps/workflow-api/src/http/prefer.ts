import { splitHeader, unquoted } from './header-list.js';

export const WAIT_SECONDS_MAX = 60;

const ONLY_WAIT = /^wait=\d{1,3}$/;

/**
 * Seconds to wait, by `Prefer: wait=N`, at most `WAIT_SECONDS_MAX`; `null` when it is not asked. A preference is never refused
 * (RFC 7240, section 2): one that is not understood is passed over, and of several with one name the first counts.
 */
export const parsePreferWait = (header: string | undefined): number | null => {
  if (header === undefined) return null;
  // What nearly all send.
  if (ONLY_WAIT.test(header)) return Math.min(Number(header.slice(5)), WAIT_SECONDS_MAX);
  for (const preference of splitHeader(header, ',')) {
    const [first = ''] = splitHeader(preference, ';');
    const match = /^wait\s*=\s*(.*)$/is.exec(first);
    if (match === null) continue;
    const text = unquoted(match[1]!);
    return /^\d{1,15}$/.test(text) ? Math.min(Number(text), WAIT_SECONDS_MAX) : null;
  }
  return null;
};
