import type { Problem } from './problems.js';

export const WAIT_SECONDS_MAX = 60;

/** Seconds asked for by `Prefer: wait=N`; `null` when it is not asked. Other preferences are passed over, as RFC 7240 wants. */
export const parsePreferWait = (
  header: string | undefined,
): { readonly waitSeconds: number | null } | { readonly problem: Problem } => {
  if (header === undefined) return { waitSeconds: null };
  for (const preference of header.split(',')) {
    const match = /^\s*wait\s*=\s*(.*?)\s*(?:;.*)?$/i.exec(preference);
    if (match === null) continue;
    const text = match[1]!.replace(/^"(.*)"$/, '$1');
    const seconds = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
    // The first one counts when several are given (RFC 7240, section 2).
    if (seconds <= WAIT_SECONDS_MAX) return { waitSeconds: seconds };
    return {
      problem: {
        code: 'prefer-invalid',
        detail: `Prefer asks for wait=${text.slice(0, 40)}; it takes 0 to ${WAIT_SECONDS_MAX} whole seconds.`,
        errors: [{ pointer: 'Prefer', detail: `Give wait=N with N from 0 to ${WAIT_SECONDS_MAX}.` }],
      },
    };
  }
  return { waitSeconds: null };
};
