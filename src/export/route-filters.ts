import type { RouteConfig } from '../config/config.ts';
import { toCorsPolicy } from './cors.ts';
import { FILTER, toTokenFilterName } from './filter-names.ts';
import { oneOf, toPathsPattern } from './patterns.ts';
import { all, any, hasHeader, headerIs, not, pathIs, toRules } from './rbac.ts';
import type { RouteContext, Variant } from './routes.ts';
import type { Fields } from './yaml-text.ts';

const TYPE = 'type.googleapis.com/envoy';
const DISABLED: Fields = { '@type': `${TYPE}.config.route.v3.FilterConfig`, disabled: true };

/** What the filters on the way do for one of a route's variants. */
export function toRouteFilters(config: RouteConfig, variant: Variant, context: RouteContext): Fields {
  const { tokenHeader, keepAuthorization } = variant;
  const rules = toRouteRules(config, context);
  const cors = toCorsPolicy(config.cors, context.corsOrigins);
  const { bodyBytes } = config.limits;
  const others = context.tokenHeaders.filter((header) => header !== tokenHeader);
  return {
    ...(cors && { [FILTER.cors]: cors }),
    ...(rules && { [FILTER.rules]: toRbac(rules) }),
    ...(bodyBytes !== undefined && {
      [FILTER.buffer]: {
        '@type': `${TYPE}.extensions.filters.http.buffer.v3.BufferPerRoute`,
        buffer: { max_request_bytes: bodyBytes },
      },
    }),
    ...(!keepAuthorization && {
      [FILTER.clean]: {
        '@type': `${TYPE}.extensions.filters.http.header_mutation.v3.HeaderMutationPerRoute`,
        mutations: { request_mutations: [{ remove: 'authorization' }] },
      },
    }),
    ...Object.fromEntries(others.map((header) => [toTokenFilterName(header), DISABLED])),
    // Envoy sends a request on without a token where it got none. Here: no token, no request.
    ...(tokenHeader !== undefined && {
      [FILTER.token]: toRbac(
        toRules('ALLOW', { 'a request with its token': headerIs(tokenHeader.toLowerCase(), 'Bearer .+') }),
      ),
    }),
  };
}

function toRbac(rules: Fields): Fields {
  return { '@type': `${TYPE}.extensions.filters.http.rbac.v3.RBACPerRoute`, rbac: { rules } };
}

/** What the route lets through, of programs and its own pages, and of other pages; undefined: everything. */
function toRouteRules(config: RouteConfig, { isFromOwnPage }: RouteContext): Fields | undefined {
  const conditions = [...toMethodConditions(config), ...toPathConditions(config)];
  const { cors } = config;
  const isOpen = cors.kind === 'upstream' || (cors.kind === 'proxy' && cors.methods === undefined);
  if (isOpen) return conditions.length === 0 ? undefined : toRules('ALLOW', { requests: all(...conditions) });
  const isForeign = toForeign(isFromOwnPage);
  const methods = cors.kind === 'proxy' ? (cors.methods ?? []) : [];
  const taken = methods.includes('GET') ? [...methods, 'HEAD'] : methods;
  return toRules('ALLOW', {
    'requests of programs and own pages': all(...conditions, not(isForeign)),
    ...(taken.length > 0 && {
      'requests of other pages': all(...conditions, isForeign, headerIs(':method', oneOf(taken))),
    }),
  });
}

/** Requests of pages of other origins; as `refuseCrossOrigin` of the gate tells them. */
function toForeign(isFromOwnPage: Fields): Fields {
  const isVisit = all(
    headerIs(':method', 'GET|HEAD'),
    headerIs('sec-fetch-mode', 'navigate'),
    headerIs('sec-fetch-dest', 'document'),
  );
  return any(
    all(hasHeader('origin'), not(headerIs('sec-fetch-site', 'same-origin')), not(isFromOwnPage)),
    all(
      not(hasHeader('origin')),
      hasHeader('sec-fetch-site'),
      not(headerIs('sec-fetch-site', 'same-origin|none')),
      not(isVisit),
    ),
  );
}

/** Headers by which frameworks are asked for another method, or path, than the request's own; see `route-rules.ts` of the relay. */
const METHOD_OVERRIDES = ['x-http-method-override', 'x-http-method', 'x-method-override'];
const PATH_OVERRIDES = ['x-original-url', 'x-rewrite-url'];

function toMethodConditions({ methods }: RouteConfig): readonly Fields[] {
  if (methods === undefined) return [];
  const listed = oneOf(methods.map((method) => method.replace(/[^A-Z]/gi, '\\$&')));
  return [
    headerIs(':method', listed),
    ...METHOD_OVERRIDES.map((name) =>
      not(all(hasHeader(name), not(headerIs(name, `(?i)\\s*${listed}\\s*`)))),
    ),
  ];
}

function toPathConditions({ path, paths }: RouteConfig): readonly Fields[] {
  if (paths === undefined) return [];
  return [pathIs(toPathsPattern(path, paths)), ...PATH_OVERRIDES.map((name) => not(hasHeader(name)))];
}
