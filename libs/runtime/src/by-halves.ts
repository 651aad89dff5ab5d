/** The first index from 0 to `length` from which on `isPast` holds, looked for by halves; `length`: it holds nowhere. */
export const firstIndex = (length: number, isPast: (index: number) => boolean): number => {
  let low = 0;
  let high = length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (isPast(middle)) high = middle;
    else low = middle + 1;
  }
  return low;
};
