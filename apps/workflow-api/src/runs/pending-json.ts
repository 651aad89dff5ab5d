import {
  isComputed,
  makeStepKey,
  nodeKindOf,
  shownHeaders,
  type Given,
  type NodeId,
  type Plan,
  type PlanNode,
  type ScopeId,
  type StepKey,
} from '#domain';

/** So many steps of one container stand in the document of a run or step. */
export const STEPS_SHOWN_MAX = 100;

/** The nodes directly inside a container (`null`: the root), in the order in which a run would enter them. */
export const planChildren = (plan: Plan, container: NodeId | null): readonly PlanNode[] => {
  if (container === null) return scopeNodes(plan, 0);
  const node = plan.nodes[container]!;
  return nodeKindOf(node)
    .scopes(node)
    .flatMap((scope) => scopeNodes(plan, scope));
};

const scopeNodes = (plan: Plan, scope: ScopeId): readonly PlanNode[] => {
  const nodes: PlanNode[] = [];
  const seen = new Set<NodeId>();
  // Back edges may lead to a node seen before; it is shown once.
  for (let id: NodeId | null = plan.scopes[scope]!.entry; id !== null && !seen.has(id);) {
    seen.add(id);
    const node: PlanNode = plan.nodes[id]!;
    nodes.push(node);
    id = node.next;
  }
  return nodes;
};

/**
 * A node that the run has not reached, as a step with its template: reached no more, once what it is in has ended. Of many nodes
 * below it the first are shown; the definition has the others.
 */
export const pendingText = (
  node: PlanNode,
  parent: StepKey | null,
  tree: { readonly plan: Plan; charsLeft: number },
  status: 'pending' | 'not-reached',
): string => {
  const key = makeStepKey({ container: parent, item: null, name: node.name, entry: 1 });
  const request =
    node.type === 'step' ? requestText(node.method, JSON.stringify(node.url), node.contentType, node.headers) : 'null';
  const own =
    `{"key":${JSON.stringify(key)},"name":${JSON.stringify(node.name)},"type":"${node.type}","status":"${status}",` +
    `"input":${givenText(node.input)},"output":null,"mapped":null,"error":null,"enteredAt":null,"startedAt":null,"finishedAt":null,` +
    `"idempotencyKey":null,"request":${request},"attempts":[],`;
  tree.charsLeft -= own.length;
  const children = planChildren(tree.plan, node.id);
  let items = '';
  for (let index = 0; index < children.length && index < STEPS_SHOWN_MAX && tree.charsLeft > 0; index++)
    items += (index === 0 ? '' : ',') + pendingText(children[index]!, key, tree, status);
  return `${own}"steps":[${items}],"stepsTotal":${children.length},"stepsCursor":null}`;
};

/** As the definition says it. */
const givenText = (given: Given | null): string => {
  if (!isComputed(given)) return given ?? 'null';
  return 'js' in given ? JSON.stringify(given) : given.template;
};

/** What goes out: method, address, and the headers that the definition gives, its content type among them; no credential is shown. */
export const requestText = (
  method: string,
  url: string,
  contentType: string,
  headers: Readonly<Record<string, string>>,
): string => {
  let text = '{"method":"' + method + '","url":' + url + ',"headers":{"content-type":' + JSON.stringify(contentType);
  const shown = shownHeaders(headers);
  for (const name in shown) text += ',' + JSON.stringify(name) + ':' + JSON.stringify(shown[name]);
  return text + '}}';
};
