/** The value of an option of a script; a fault that names the option when it is no whole number, or a smaller one. */
export const wholeNumber = (name: string, text: string, min = 0): number => {
  const value = Number(text);
  if (Number.isInteger(value) && value >= min) return value;
  throw new Error(`--${name} must be a whole number from ${min} on, but is ${JSON.stringify(text)}`);
};
