import { OPERATORS, shown } from './operators.js';
import { nodeAt, nodesAt, pairsAt, parse, type Syntax } from './parse.js';
import { spend } from './work.js';
import { Constructed, ExpressionFailed, isList, isNumber, isObject, isTruthy, Sequence, type Value } from './value.js';

/** Names and what they stand for; those bound inside an expression lie over those around it. */
export class Names {
  private readonly bound = new Map<string, Value>();
  constructor(private readonly outer: Names | ((name: string) => Value)) {}

  get(name: string): Value {
    if (this.bound.has(name)) return this.bound.get(name);
    return typeof this.outer === 'function' ? this.outer(name) : this.outer.get(name);
  }

  bind(name: string, value: Value): void {
    this.bound.set(name, value);
  }
}

/** An expression made ready: `context` is what `$` is. */
export type Evaluate = (context: Value, names: Names) => Value;

/**
 * An expression that surely ends, made ready to be evaluated here: one without calls, functions, regular expressions and ranges, and
 * without the forms of paths that few need. `null`: any other. What it gives is what the package of JSONata gives (a property).
 */
export const inPlace = (source: string): Evaluate | null => {
  const parsed = parse(source);
  return 'flaw' in parsed ? null : compile(parsed.syntax);
};

/** Members of a node that change what it means, beside those of its type. */
const UNSUPPORTED = ['group', 'tuple', 'ancestor', 'focus', 'index', 'nextFunction'];

const compile = (node: Syntax): Evaluate | null => {
  if (UNSUPPORTED.some((member) => member in node)) return null;
  const own = compileOwn(node);
  if (own === null) return null;
  const filters = compileFilters(nodesAt(node, 'predicate'));
  if (filters === null) return null;
  const keepsArray = node['keepArray'] === true;
  return (context, names) => {
    spend(1);
    let value = own(context, names);
    for (const filter of filters) value = filter(value, names);
    if (!(value instanceof Sequence)) return value;
    if (keepsArray) value.keepSingleton = true;
    if (value.length === 0) return undefined;
    return value.length === 1 && !value.keepSingleton ? value[0] : value;
  };
};

const compileOwn = (node: Syntax): Evaluate | null => {
  switch (node.type) {
    case 'string':
    case 'number':
    case 'value':
      return compileLiteral(node['value']);
    case 'name': {
      const name = String(node['value']);
      return (context) => lookUp(context, name);
    }
    case 'variable':
      return compileVariable(String(node['value']));
    case 'path':
      return compilePath(node);
    case 'binary':
      return compileBinary(node);
    case 'unary':
      return compileUnary(node);
    case 'condition':
      return compileCondition(node);
    case 'block': {
      const parts = compileAll(nodesAt(node, 'expressions'));
      return (
        parts &&
        ((context, names) => {
          const inner = new Names(names);
          let value: Value;
          for (const part of parts) value = part(context, inner);
          return value;
        })
      );
    }
    case 'bind': {
      const value = compile(nodeAt(node, 'rhs'));
      const name = String(nodeAt(node, 'lhs')['value']);
      return (
        value &&
        ((context, names) => {
          const bound = value(context, names);
          names.bind(name, bound);
          return bound;
        })
      );
    }
    case 'function':
      return compileExists(node);
    default:
      return null;
  }
};

const compileLiteral = (value: unknown): Evaluate | null => {
  if (typeof value !== 'string' && typeof value !== 'number' && typeof value !== 'boolean' && value !== null)
    return null;
  return () => value;
};

const compileAll = (nodes: readonly Syntax[]): readonly Evaluate[] | null => {
  const compiled: Evaluate[] = [];
  for (const node of nodes) {
    const one = compile(node);
    if (one === null) return null;
    compiled.push(one);
  }
  return compiled;
};

/** `$` is the context, `$$` the one of the whole expression, which has none. */
const compileVariable = (name: string): Evaluate | null => {
  if (FUNCTIONS.has(name)) return null;
  if (name === '') return (context) => context;
  return name === '$' ? () => undefined : (_context, names) => names.get(name);
};

/** Of JSONata: as a value one is called by whoever is given it. `round` is a name of ours, which lies over it. */
const FUNCTIONS: ReadonlySet<string> = new Set(
  (
    'abs append assert average base64decode base64encode boolean ceil clone contains count decodeUrl decodeUrlComponent distinct each ' +
    'encodeUrl encodeUrlComponent error eval exists filter floor formatBase formatInteger formatNumber fromMillis join keys length lookup ' +
    'lowercase map match max merge millis min not now number pad parseInteger power random reduce replace reverse shuffle sift ' +
    'single sort split spread sqrt string substring substringAfter substringBefore sum toMillis trim type uppercase zip'
  ).split(' '),
);

const lookUp = (value: Value, name: string): Value => {
  spend(1);
  if (isList(value)) {
    const found = new Sequence();
    for (const item of value) spread(lookUp(item, name), found);
    return found;
  }
  return isObject(value) && Object.hasOwn(value, name) ? value[name] : undefined;
};

/** The items of a list, or the value; nothing adds nothing. */
const spread = (value: Value, into: Value[]): void => {
  if (value === undefined) return;
  if (!isList(value)) return void into.push(value);
  spend(value.length);
  for (const item of value) into.push(item);
};

type Filter = (value: Value, names: Names) => Value;

const compileFilters = (nodes: readonly Syntax[]): readonly Filter[] | null => {
  const filters: Filter[] = [];
  for (const node of nodes) {
    const filter = node.type === 'filter' ? compileFilter(nodeAt(node, 'expr')) : null;
    if (filter === null) return null;
    filters.push(filter);
  }
  return filters;
};

const compileFilter = (node: Syntax): Filter | null => {
  if (node.type === 'number') {
    const at = Math.floor(Number(node['value']));
    return (value) => {
      const items = isList(value) ? value : [value];
      const item = items[at < 0 ? items.length + at : at];
      if (item === undefined) return new Sequence();
      return isList(item) ? item : Sequence.of1(item);
    };
  }
  const holds = compile(node);
  if (holds === null) return null;
  return (value, names) => {
    const items = isList(value) ? value : [value];
    const kept = new Sequence();
    for (const [at, item] of items.entries()) {
      const held = holds(item, names);
      const places = isNumber(held) ? [held] : held;
      if (isList(places)) spend(places.length);
      if (!isList(places) || !places.every(isNumber)) {
        if (isTruthy(held)) kept.push(item);
        continue;
      }
      for (const place of places) {
        const floor = Math.floor(Number(place));
        if ((floor < 0 ? items.length + floor : floor) === at) kept.push(item);
      }
    }
    return kept;
  };
};

const compilePath = (node: Syntax): Evaluate | null => {
  const steps: { readonly evaluate: Evaluate; readonly filters: readonly Filter[] }[] = [];
  const nodes = nodesAt(node, 'steps');
  for (const step of nodes) {
    const evaluate = step.type === 'sort' ? null : compile(step);
    const filters = compileFilters(nodesAt(step, 'stages'));
    if (evaluate === null || filters === null) return null;
    steps.push({ evaluate, filters });
  }
  const startsAnew = nodes[0]?.type === 'variable';
  const constructsFirst = nodes[0]?.['consarray'] === true;
  const keepsSingleton = node['keepSingletonArray'] === true;
  return (context, names) => {
    let found: Value = isList(context) && !startsAnew ? context : Sequence.of1(context);
    for (const [at, { evaluate, filters }] of steps.entries()) {
      if (at === 0 && constructsFirst) found = evaluate(found, names);
      else found = takeStep(found, { evaluate, filters, isLast: at === steps.length - 1 }, names);
      if (found === undefined || (isList(found) && found.length === 0)) break;
    }
    if (!keepsSingleton) return found;
    const kept = found instanceof Constructed ? Sequence.of1(found) : found;
    if (kept instanceof Sequence) kept.keepSingleton = true;
    return kept;
  };
};

type PathStep = { readonly evaluate: Evaluate; readonly filters: readonly Filter[]; readonly isLast: boolean };

const takeStep = (from: Value, { evaluate, filters, isLast }: PathStep, names: Names): Value => {
  const found: Value[] = [];
  for (const item of isList(from) ? from : [from]) {
    let value = evaluate(item, names);
    for (const filter of filters) value = filter(value, names);
    if (value !== undefined) found.push(value);
  }
  const [first] = found;
  if (isLast && found.length === 1 && isList(first) && !(first instanceof Sequence)) return first;
  const flat = new Sequence();
  for (const value of found) {
    if (value instanceof Constructed) flat.push(value);
    else spread(value, flat);
  }
  return flat;
};

const compileBinary = (node: Syntax): Evaluate | null => {
  const left = compile(nodeAt(node, 'lhs'));
  const right = compile(nodeAt(node, 'rhs'));
  if (left === null || right === null) return null;
  switch (node['value']) {
    case 'and':
      return (context, names) => isTruthy(left(context, names)) && isTruthy(right(context, names));
    case 'or':
      return (context, names) => isTruthy(left(context, names)) || isTruthy(right(context, names));
    default: {
      const operate = OPERATORS.get(String(node['value']));
      return operate === undefined ? null : (context, names) => operate(left(context, names), right(context, names));
    }
  }
};

const compileUnary = (node: Syntax): Evaluate | null => {
  switch (node['value']) {
    case '-': {
      const of = compile(nodeAt(node, 'expression'));
      return (
        of &&
        ((context, names) => {
          const value = of(context, names);
          if (value === undefined) return undefined;
          if (!isNumber(value)) throw new ExpressionFailed(`"-" needs a number, not ${shown(value)}`);
          return -value;
        })
      );
    }
    case '[':
      return compileArray(node);
    case '{':
      return compileObject(node);
    default:
      return null;
  }
};

const compileArray = (node: Syntax): Evaluate | null => {
  const items = compileAll(nodesAt(node, 'expressions'));
  if (items === null) return null;
  const nodes = nodesAt(node, 'expressions');
  const isConstructed = node['consarray'] === true;
  return (context, names) => {
    const array: Value[] = isConstructed ? new Constructed() : [];
    for (const [at, item] of items.entries()) {
      const value = item(context, names);
      if (nodes[at]?.['value'] === '[') {
        if (value !== undefined) array.push(value);
      } else spread(value, array);
    }
    return array;
  };
};

/** Members are made for each value of the context, and those of one name together. */
const compileObject = (node: Syntax): Evaluate | null => {
  const pairs: { readonly name: Evaluate; readonly value: Evaluate }[] = [];
  for (const [nameNode, valueNode] of pairsAt(node, 'lhs')) {
    const name = compile(nameNode);
    const value = compile(valueNode);
    if (name === null || value === null) return null;
    pairs.push({ name, value });
  }
  return (context, names) => {
    const contexts = isList(context) ? context : [context];
    // The package puts it into the list itself, which an item that a filter has kept shows: `[[]][{}]` is `[null]`.
    if (isOwned(contexts) && contexts.length === 0) contexts.push(undefined);
    const groups = new Map<string, { readonly pair: number; data: Value }>();
    for (const item of contexts)
      for (const [pair, { name: nameOf }] of pairs.entries()) {
        const name = nameOf(item, names);
        if (name === undefined) continue;
        if (typeof name !== 'string')
          throw new ExpressionFailed(`the name of a member must be a string, not ${shown(name)}`);
        if (name === '_jsonata_lambda' || name === '_jsonata_function')
          throw new ExpressionFailed(`no member may be named ${name}`);
        const group = groups.get(name);
        if (group === undefined) groups.set(name, { pair, data: item });
        else if (group.pair !== pair) throw new ExpressionFailed(`two members are named ${shown(name)}`);
        else group.data = together(group.data, item);
      }
    const object: Record<string, Value> = Object.create(null);
    // In the order in which an object has its names.
    for (const name of Object.keys(Object.fromEntries(groups.entries()))) {
      const group = groups.get(name);
      const value = group === undefined ? undefined : pairs[group.pair]?.value(group.data, names);
      if (value !== undefined) object[name] = value;
    }
    return object;
  };
};

/** Values are made for one evaluation, which may change them. */
const isOwned = (_list: readonly Value[]): _list is Value[] => true;

const together = (one: Value, other: Value): Value => {
  if (one === undefined || other === undefined) return one ?? other;
  const both: Value[] = [];
  spread(one, both);
  spread(other, both);
  return both;
};

const compileCondition = (node: Syntax): Evaluate | null => {
  const holds = compile(nodeAt(node, 'condition'));
  const then = compile(nodeAt(node, 'then'));
  const otherwise = node['else'] === undefined ? () => undefined : compile(nodeAt(node, 'else'));
  if (holds === null || then === null || otherwise === null) return null;
  return (context, names) => (isTruthy(holds(context, names)) ? then : otherwise)(context, names);
};

/** `$exists`, which `??` stands for: the one call that is known to end. */
const compileExists = (node: Syntax): Evaluate | null => {
  const [of, ...more] = nodesAt(node, 'arguments');
  const called = nodeAt(node, 'procedure');
  if (node['value'] !== '(' || called.type !== 'variable' || called['value'] !== 'exists') return null;
  if (of === undefined || more.length > 0) return null;
  const evaluate = compile(of);
  return evaluate && ((context, names) => evaluate(context, names) !== undefined);
};
