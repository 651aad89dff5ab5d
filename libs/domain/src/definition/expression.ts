/** A text with an expression in it, as schemas find it. */
export const EXPRESSION_PATTERN = '\\{%[\\s\\S]*%\\}';

const EXPRESSION = new RegExp(EXPRESSION_PATTERN);

/** The expressions of later versions stand in these marks; until then a text that holds them would be sent as it is. */
export const hasExpression = (text: string): boolean => text.includes('{%') && EXPRESSION.test(text);

export const EXPRESSION_UNAVAILABLE = 'Expressions in {% … %} are not available in this version';
