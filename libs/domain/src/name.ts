/** How workflows, steps, namespaces, queues and short targets are named: the one pattern of all of them. */
export const NAME_PATTERN = '^[A-Za-z][A-Za-z0-9_-]{0,63}$';

/** The same in words. */
export const NAME_RULE = '1 to 64 letters, digits, "_" and "-", a letter first';

const NAME = new RegExp(NAME_PATTERN);

export const isName = (text: string): boolean => NAME.test(text);
