import type { FastifyInstance, RouteOptions } from 'fastify';
import type { MetricSources, Sample } from '#runtime';

/** Answers of one method of one route by their status. */
class RouteCounts {
  readonly byStatus = new Map<number, number>();

  constructor(
    readonly method: string,
    readonly route: string,
  ) {}

  count(status: number): void {
    this.byStatus.set(status, (this.byStatus.get(status) ?? 0) + 1);
  }
}

/** Answers by method, route and status. A route is a pattern that was registered, so that there are only so many. */
export class HttpCounts {
  readonly #counts = new Map<string, RouteCounts>();

  /** To be called before routes are registered: each is given its own hook, so that nothing is looked up for an answer. */
  follow(fastify: FastifyInstance): void {
    fastify.addHook('onRoute', (route) => this.#follow(route));
    fastify.addHook('onResponse', ({ method, is404 }, { raw }, done) => {
      if (is404) this.#of(method, 'unmatched').count(raw.statusCode);
      done();
    });
  }

  get sources(): MetricSources {
    return { stepwell_http_requests_total: () => this.#samples() };
  }

  #follow(route: RouteOptions): void {
    const methods = [route.method].flat();
    const [only] = methods;
    const known = methods.length === 1 && only !== undefined ? this.#of(only, route.url) : null;
    const onResponse: NonNullable<RouteOptions['onResponse']> = ({ method }, { raw }, done) => {
      (known ?? this.#of(method, route.url)).count(raw.statusCode);
      done();
    };
    route.onResponse = [route.onResponse ?? [], onResponse].flat();
  }

  #samples(): readonly Sample<'method' | 'route' | 'status'>[] {
    return [...this.#counts.values()].flatMap(({ method, route, byStatus }) =>
      [...byStatus].map(([status, value]) => ({ labels: { method, route, status: String(status) }, value })),
    );
  }

  #of(method: string, route: string): RouteCounts {
    const name = `${method} ${route}`;
    let counts = this.#counts.get(name);
    if (counts === undefined) this.#counts.set(name, (counts = new RouteCounts(method, route)));
    return counts;
  }
}
