import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

/** Everything that is loaded together with a module: the ends of its static imports, packages among them. */
function findLoaded(start: URL): ReadonlySet<string> {
  const loaded = new Set<string>();
  const look = (file: URL): void => {
    if (loaded.has(file.href)) return;
    loaded.add(file.href);
    const imports = readFileSync(file, 'utf8').matchAll(
      /^(?:import|export)\s+(?!type\s)[^;'"]*?from\s+'([^']+)'/gm,
    );
    for (const [, specifier = ''] of imports) {
      if (specifier.startsWith('.')) look(new URL(specifier, file));
      else loaded.add(specifier);
    }
  };
  look(start);
  return loaded;
}

test('YAML and Zod are not loaded where there is no file to read', () => {
  const loaded = findLoaded(new URL('../../src/config/resolve.ts', import.meta.url));
  assert.ok([...loaded].some((file) => file.endsWith('/src/config/credentials.ts')));
  assert.deepEqual(
    [...loaded].filter((file) => !file.startsWith('node:') && !file.startsWith('file:')),
    [],
  );
});
