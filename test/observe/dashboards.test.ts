import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { parse } from 'yaml';
import { toStateFamilies } from '../../src/observe/state.ts';
import { ROOT } from '../support/cli.ts';
import { type Scrape, scrape } from '../support/exposition.ts';
import { startProxy } from '../support/proxies.ts';

interface Panel {
  readonly type: string;
  readonly title: string;
  readonly gridPos: { readonly x: number; readonly w: number };
  readonly targets?: readonly { readonly expr: string }[];
}

interface Rules {
  readonly groups: readonly {
    readonly rules: readonly {
      readonly alert: string;
      readonly expr: string;
      readonly labels: Readonly<Record<string, string>>;
      readonly annotations: Readonly<Record<string, string>>;
    }[];
  }[];
}

const read = (file: string): string => readFileSync(join(ROOT, file), 'utf8');
const panels: readonly Panel[] = JSON.parse(read('deploy/grafana-dashboard.json')).panels;
const rules = (parse(read('deploy/alerts.yaml')) as Rules).groups.flatMap((group) => group.rules);

/** The metrics an expression names, as families. */
function metricsOf(expression: string): readonly string[] {
  return [...expression.matchAll(/\b(?:gbp|process|nodejs)_\w+/g)].map(([name]) => name);
}

function isKnown({ types }: Scrape, name: string): boolean {
  const family = name.replace(/_(?:bucket|sum|count)$/, '');
  return types.has(name) || types.get(family) === 'histogram';
}

/** What is there with `--workers` alone, among the rest. */
const FILL = { count: 0, limit: 1 };
const STATE_WITH_WORKERS = toStateFamilies({
  version: '0.0.0',
  requests: FILL,
  connections: FILL,
  routes: [],
  upstreams: [],
  crew: { count: 2, running: 2, restarts: 0, counted: [], processes: new Map() },
}).map(({ name, type }) => [name, type] as const);

test('the dashboard and the alerts name metrics that there are, and every metric of ours is documented', async (t) => {
  const { admin } = await startProxy(t, 'routes: [{ path: /, upstream: "http://127.0.0.1:9" }]', {
    admin: true,
  });
  const { types, ...scraped } = await scrape(admin);
  const found = { ...scraped, types: new Map([...types, ...STATE_WITH_WORKERS]) };
  const expressions = [
    ...panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr)),
    ...rules.map(({ expr }) => expr),
  ];
  assert.ok(expressions.length > 40);
  for (const expression of expressions) {
    const names = metricsOf(expression);
    assert.notEqual(names.length, 0, expression);
    assert.deepEqual(
      names.filter((name) => !isKnown(found, name)),
      [],
      expression,
    );
  }
  const documented = new Set([...read('docs/operating.md').matchAll(/`(gbp_\w+)`/g)].map(([, name]) => name));
  const own = [...found.types.keys()].filter((name) => name.startsWith('gbp_'));
  assert.deepEqual([...documented].sort(), own.sort());
});

test('each alert has a name of its own, says how bad it is, what is wrong and what to do', () => {
  assert.equal(new Set(rules.map(({ alert }) => alert)).size, rules.length);
  for (const { alert, labels, annotations } of rules) {
    assert.match(alert, /^GcpBearerProxy[A-Z]\w+$/);
    assert.match(labels.severity ?? '', /^(?:critical|warning)$/, alert);
    assert.match(annotations.summary ?? '', /\.$/, alert);
    assert.match(annotations.description ?? '', /\.$/, alert);
  }
});

test('the dashboard has a title for each panel, and no panel is wider than the page', () => {
  for (const { title, gridPos, type, targets } of panels) {
    assert.notEqual(title, '');
    assert.ok(gridPos.x + gridPos.w <= 24, title);
    assert.equal(type === 'row', targets === undefined, title);
  }
});
