export { hasExpression } from '../expressions/computed.js';

/** A text with an expression in it, as schemas find it. */
export const EXPRESSION_PATTERN = '\\{%[\\s\\S]*%\\}';

export const EXPRESSION_UNAVAILABLE = 'Expressions in {% … %} are not available here in this version';
