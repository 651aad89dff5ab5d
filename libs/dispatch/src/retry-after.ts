import { toMs } from '#domain';

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
const MONTH = `(?<month>${MONTHS.join('|')})`;
const TIME = String.raw`(?<time>\d{2}:\d{2}:\d{2})`;

/** The three forms of a date that RFC 9110 (5.6.7) has a reader take. All are UTC; the last, asctime, does not say so. */
const DATES = [
  String.raw`[A-Z][a-z]{2}, (?<day>\d{2}) ${MONTH} (?<year>\d{4}) ${TIME} (?:GMT|UTC)`,
  String.raw`[A-Z][a-z]+day, (?<day>\d{2})-${MONTH}-(?<year>\d{2}) ${TIME} (?:GMT|UTC)`,
  String.raw`[A-Z][a-z]{2} ${MONTH} (?<day>[ \d]\d) ${TIME} (?<year>\d{4})`,
].map((form) => new RegExp(`^${form}$`));

const FIFTY_YEARS_MS = 50 * 365.25 * 86_400_000;

/** `Retry-After` in milliseconds from now, from seconds or an HTTP date; `null` for none, garbage and the past. */
export const retryAfterMs = (header: string | null, nowMs: number): number | null => {
  const text = header?.trim() ?? '';
  // However many digits: the policy has a longest wait.
  if (/^\d+$/.test(text)) return Math.min(Number(text) * 1_000, Number.MAX_SAFE_INTEGER);
  const delayMs = dateMs(text, nowMs) - nowMs;
  return delayMs > 0 ? delayMs : null;
};

/** NaN when it is none. */
const dateMs = (text: string, nowMs: number): number => {
  for (const form of DATES) {
    const { day = '', month = '', year = '', time } = form.exec(text)?.groups ?? {};
    if (time === undefined) continue;
    const rest = `-${two(MONTHS.indexOf(month) + 1)}-${two(Number(day))}T${time}Z`;
    if (year.length === 4) return toMs(year + rest);
    // A year of two digits that would be more than 50 years ahead is of the century before.
    const ms = toMs(`20${year}${rest}`);
    return ms > nowMs + FIFTY_YEARS_MS ? toMs(`19${year}${rest}`) : ms;
  }
  return Number.NaN;
};

const two = (part: number): string => String(part).padStart(2, '0');
