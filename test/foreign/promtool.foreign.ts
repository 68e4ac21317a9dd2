import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { stringify } from 'yaml';
import { ROOT } from '../support/cli.ts';
import { scrape } from '../support/exposition.ts';
import { startProxy } from '../support/proxies.ts';
import { createFolder, send } from '../support/stack.ts';

// Prometheus' own opinion of the rules and of what the admin port says: `npm run test:foreign`. Where there is no
// promtool that is left out, and said so.

function hasPromtool(): boolean {
  try {
    execFileSync('promtool', ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/** What Grafana does with its variables. */
function fillIn(expression: string): string {
  return expression.replaceAll('$__rate_interval', '5m').replace(/\$\w+/g, '.*');
}

if (hasPromtool()) {
  test('promtool takes the alert rules', () => {
    execFileSync('promtool', ['check', 'rules', join(ROOT, 'deploy', 'alerts.yaml')]);
  });

  test('promtool takes every expression of the dashboard, as a rule', async (t) => {
    const { panels } = JSON.parse(await readFile(join(ROOT, 'deploy', 'grafana-dashboard.json'), 'utf8')) as {
      readonly panels: readonly { readonly targets?: readonly { readonly expr: string }[] }[];
    };
    const rules = panels
      .flatMap(({ targets = [] }) => targets)
      .map(({ expr }, index) => ({ record: `panel:${index}`, expr: fillIn(expr) }));
    assert.notEqual(rules.length, 0);
    const file = join(await createFolder(t), 'rules.yaml');
    await writeFile(file, stringify({ groups: [{ name: 'dashboard', rules }] }));
    execFileSync('promtool', ['check', 'rules', file]);
  });

  test('promtool takes the metrics', async (t) => {
    const { admin, port } = await startProxy(t, 'routes: [{ path: /, upstream: "http://127.0.0.1:9" }]', {
      admin: true,
    });
    await send(`http://127.0.0.1:${port}`, '/');
    const { text } = await scrape(admin);
    // What it would rather have named otherwise (status 3) is about metrics that the library names.
    execFileSync('promtool', ['check', 'metrics'], {
      input: text.replace(/^.*\bnodejs_.*$\n/gm, ''),
    });
  });
} else {
  console.error('\n*** NOT TRIED: there is no promtool on this machine.\n');
}
