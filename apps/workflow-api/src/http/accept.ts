import { splitHeader } from './header-list.js';

const RANGE = /^([\w!#$%&'*+.^`|~-]+\/[\w!#$%&'*+.^`|~-]+)$/;

/** How much a media type is wanted, from 0 to 1, by the most specific range of `Accept` that it is in (RFC 9110, 12.5.1). */
const weightOf = (accept: string, type: string): { readonly weight: number; readonly named: boolean } => {
  const [family] = type.split('/');
  let best = { rank: 0, weight: 0 };
  for (const element of splitHeader(accept, ',')) {
    const [range = '', ...parameters] = splitHeader(element.toLowerCase(), ';');
    const rank = range === type ? 3 : range === `${family}/*` ? 2 : range === '*/*' ? 1 : 0;
    if (!RANGE.test(range) || rank <= best.rank) continue;
    const q = parameters
      .map((each) => /^q\s*=\s*([01](?:\.\d{0,3})?)$/.exec(each)?.[1])
      .find((each) => each !== undefined);
    best = { rank, weight: q === undefined ? 1 : Math.min(Number(q), 1) };
  }
  return { weight: best.weight, named: best.rank === 3 };
};

/** Whether a type is asked for by its name, and no less than the other. */
export const prefers = (accept: string | undefined, type: string, other: string): boolean => {
  if (accept === undefined) return false;
  const { weight, named } = weightOf(accept, type);
  return named && weight > 0 && weight >= weightOf(accept, other).weight;
};
