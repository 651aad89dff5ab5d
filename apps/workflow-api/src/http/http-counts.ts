import type { FastifyInstance } from 'fastify';
import type { MetricSources, Sample } from '#runtime';

type Route = { readonly method: string; readonly route: string; readonly byStatus: Map<number, number> };

/** Answers by method, route and status. A route is a pattern that was registered, so that there are only so many. */
export class HttpCounts {
  readonly #routes = new Map<string, Route>();

  follow(fastify: Pick<FastifyInstance, 'addHook'>): void {
    fastify.addHook('onResponse', ({ method, routeOptions }, { raw }, done) => {
      count(this.#route(method, routeOptions.url ?? 'unmatched'), raw.statusCode);
      done();
    });
  }

  get sources(): MetricSources {
    return { stepwell_http_requests_total: () => this.#samples() };
  }

  #samples(): readonly Sample<'method' | 'route' | 'status'>[] {
    return [...this.#routes.values()].flatMap(({ method, route, byStatus }) =>
      [...byStatus].map(([status, value]) => ({ labels: { method, route, status: String(status) }, value })),
    );
  }

  #route(method: string, route: string): Route {
    const name = `${method} ${route}`;
    const known = this.#routes.get(name);
    if (known !== undefined) return known;
    const added: Route = { method, route, byStatus: new Map() };
    this.#routes.set(name, added);
    return added;
  }
}

const count = ({ byStatus }: Route, status: number): void => {
  byStatus.set(status, (byStatus.get(status) ?? 0) + 1);
};
