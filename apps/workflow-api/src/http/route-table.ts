import type { FastifyInstance } from 'fastify';

type Route = { readonly pattern: RegExp; readonly methods: Set<string> };

/** Which methods a path takes, learnt from the routes as they are registered: for 405 and its `Allow`. */
export class RouteTable {
  readonly #routes = new Map<string, Route>();

  constructor(fastify: Pick<FastifyInstance, 'addHook'>) {
    fastify.addHook('onRoute', ({ url, method }) => {
      const route = this.#routes.get(url) ?? { pattern: patternOf(url), methods: new Set<string>() };
      for (const each of [method].flat()) route.methods.add(each.toUpperCase());
      this.#routes.set(url, route);
    });
  }

  /** Methods of the path, in order; empty when there is no such path. */
  methodsOf(path: string): readonly string[] {
    const methods = new Set<string>();
    for (const route of this.#routes.values())
      if (route.pattern.test(path)) for (const each of route.methods) methods.add(each);
    return [...methods].sort();
  }

  /** Every path with its methods, as Fastify writes paths. */
  entries(): readonly { readonly url: string; readonly methods: readonly string[] }[] {
    return [...this.#routes].map(([url, { methods }]) => ({ url, methods: [...methods].sort() }));
  }
}

const patternOf = (url: string): RegExp => {
  const source = url
    .split('/')
    .map((part) => (part.startsWith(':') ? '[^/]+' : part === '*' ? '.*' : part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')))
    .join('/');
  return new RegExp(`^${source}$`);
};
