#!/usr/bin/env node
import { isSupportedNode } from './node-version.ts';

// Everything else is imported after this check: on a Node that is too old it might not even parse.
if (isSupportedNode(process.versions.node)) {
  const { enableCompileCache } = await import('node:module');
  enableCompileCache();
  const { main } = await import('./command-line/main.ts');
  await main();
} else {
  process.stderr.write(
    `gcp-bearer-proxy needs Node 22.19, 24.11 or 26 and newer; this is ${process.versions.node}.\n`,
  );
  process.exitCode = 2;
}
