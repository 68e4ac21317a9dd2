import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { runCommandLine } from '../../src/command-line/run.ts';
import { isUnixAddress } from '../../src/config/address.ts';
import type { Config } from '../../src/config/config.ts';
import { resolveConfig } from '../../src/config/resolve.ts';
import { isSupportedNode } from '../../src/node-version.ts';
import { createIo } from '../commands/config-io.ts';
import { createFolder, writeConfig } from '../config/resolve-file.ts';
import { ROOT } from '../support/cli.ts';
import {
  DEPLOY_FILES,
  type Launch,
  readComposeServices,
  readEcsContainers,
  readImageCommand,
  readLaunches,
  readPod,
  readRepositoryFile,
  readYaml,
} from './manifests.ts';

const LAUNCHES = readLaunches();
const { version } = JSON.parse(readRepositoryFile('package.json'));
/** Requests under way get this long once the proxy is asked to stop. */
const DRAIN_SECONDS = 10;

/** A folder as the launch finds it. */
function createPlace(t: Parameters<typeof createFolder>[0], { config }: Launch): string {
  return config === undefined ? createFolder(t) : writeConfig(t, config);
}

/** What `start` would run with. */
async function resolveLaunch(t: Parameters<typeof createFolder>[0], launch: Launch): Promise<Config> {
  const values = (flag: string): string[] =>
    launch.args.flatMap((arg, index, { [index + 1]: next = '' }) =>
      arg === `--${flag}` ? [next] : arg.startsWith(`--${flag}=`) ? [arg.slice(flag.length + 3)] : [],
    );
  const [listen, [admin]] = [values('listen'), values('admin')];
  return await resolveConfig({
    flags: {
      ...(listen.length > 0 && { listen }),
      ...(admin !== undefined && { admin }),
      allowUnauthenticatedClients: launch.args.includes('--allow-unauthenticated-clients'),
    },
    positionals: launch.args.filter((arg) => arg.startsWith('/')),
    env: launch.env,
    cwd: createPlace(t, launch),
  });
}

for (const file of [...DEPLOY_FILES, 'action.yml'].filter((name) => /\.(?:ya?ml|json)$/.test(name))) {
  test(`${file} can be read`, () => {
    if (file.endsWith('.json')) JSON.parse(readRepositoryFile(file));
    else
      assert.ok(
        readYaml<unknown>(file).every((document) => typeof document === 'object' && document !== null),
      );
  });
}

for (const launch of LAUNCHES) {
  test(`${launch.file} starts the proxy with flags and settings that it has, and no warning`, async (t) => {
    assert.equal(launch.args[0], 'start');
    const { io: help, written: helped } = createIo(ROOT);
    await runCommandLine(['start', '--help'], help);
    for (const arg of launch.args.filter((one) => one.startsWith('--')))
      assert.match(helped.stdout, new RegExp(`${arg.split('=')[0]}\\b`));

    const { io, written } = createIo(createPlace(t, launch), launch.env);
    const args = launch.args.slice(1).filter((arg) => arg !== '--quiet');
    assert.equal(await runCommandLine(['check', '--offline', ...args], io), 0, written.stderr);
    assert.deepEqual((await resolveLaunch(t, launch)).warnings, []);
  });

  test(`${launch.file}: who asks how it is, and who calls it, has the right port and route`, async (t) => {
    const { admin, listen, routes } = await resolveLaunch(t, launch);
    for (const probe of launch.probes) {
      assert.match(probe.join(' '), new RegExp(`http://127\\.0\\.0\\.1:${admin?.port}/(?:livez|readyz)`));
    }
    if (launch.probes.length > 0) assert.ok(admin?.explicit, 'a port that is taken has to be an error');
    const ports = listen.map(({ address }) => (isUnixAddress(address) ? '' : String(address.port)));
    for (const url of launch.urls.map((text) => new URL(text))) {
      assert.ok(ports.includes(url.port), url.href);
      assert.ok(
        routes.some(({ path }) => path === url.pathname),
        url.href,
      );
    }
  });

  test(`R65: ${launch.file} gives requests under way their time to finish`, () => {
    if (launch.stopSeconds !== undefined) assert.ok(launch.stopSeconds >= 2 * DRAIN_SECONDS);
  });
}

test('R1: no manifest opens the proxy to other machines without a secret', async (t) => {
  for (const launch of LAUNCHES) {
    const { listen } = await resolveLaunch(t, launch);
    for (const { address, clientSecret } of listen) {
      const isOpen = !isUnixAddress(address) && address.host === '0.0.0.0';
      assert.equal(clientSecret !== undefined, isOpen, launch.file);
    }
  }
  const gateway = LAUNCHES.find(({ file }) => file === 'deploy/ecs/gateway.json');
  assert.ok(gateway);
  const { GBP_CLIENT_SECRET, ...env } = gateway.env;
  assert.ok(GBP_CLIENT_SECRET);
  await assert.rejects(resolveLaunch(t, { ...gateway, env }), { code: 'config_invalid' });
});

test('every environment variable of ours that deploy/ names is one that the proxy reads', () => {
  const sources = globSync('src/**/*.ts', { cwd: ROOT }).map((file) =>
    readFileSync(join(ROOT, file), 'utf8'),
  );
  const known = new Set(sources.join('\n').match(/(?<=')GBP_[A-Z_]+(?=')/g));
  for (const file of [...DEPLOY_FILES, 'action.yml', 'docs/deploying.md']) {
    for (const name of readRepositoryFile(file).match(/\bGBP_[A-Z_]*[A-Z]\b/g) ?? [])
      assert.ok(known.has(name), `${file}: ${name}`);
  }
});

test('nothing runs as root or writes to its file system', () => {
  assert.equal(/^USER (\d+):\d+$/m.exec(readRepositoryFile('deploy/Dockerfile'))?.[1], '65532');

  const { user = '', read_only: isReadOnly } = readComposeServices().proxy ?? {};
  assert.match(user, /^\$\{PROXY_USER:-[1-9]\d*:\d+\}$/);
  assert.ok(isReadOnly);

  for (const file of ['deploy/ecs/sidecar.json', 'deploy/ecs/gateway.json']) {
    for (const { name, user: id, readonlyRootFilesystem } of readEcsContainers(file)) {
      assert.match(id, /^[1-9]/);
      if (name === 'proxy') assert.ok(readonlyRootFilesystem);
    }
  }
  for (const file of ['deploy/kubernetes/sidecar.yaml', 'deploy/kubernetes/gateway.yaml']) {
    const { securityContext: ofPod, initContainers = [], containers } = readPod(file);
    assert.ok(ofPod?.runAsNonRoot);
    for (const { name, securityContext } of [...initContainers, ...containers]) {
      assert.ok(securityContext?.runAsUser ?? ofPod.runAsUser, `${file}: ${name}`);
      if (name === 'proxy') assert.ok(securityContext?.readOnlyRootFilesystem);
    }
  }
});

test('beside the proxy in its network is only the application', () => {
  assert.equal(readComposeServices().app?.network_mode, 'service:proxy');
});

test('the gateway answers to every name its Service has', async (t) => {
  const [service] = readYaml<{ kind: string; metadata: { name: string } }>(
    'deploy/kubernetes/gateway.yaml',
  ).filter(({ kind }) => kind === 'Service');
  const gateway = LAUNCHES.find(({ file }) => file === 'deploy/kubernetes/gateway.yaml');
  assert.ok(gateway);
  const name = service?.metadata.name;
  assert.deepEqual((await resolveLaunch(t, gateway)).gate.hosts, [
    name,
    `${name}.default`,
    `${name}.default.svc`,
    `${name}.default.svc.cluster.local`,
  ]);
});

test('the engine is sent what the Dockerfile copies, and nothing else', () => {
  const copied = [...readRepositoryFile('deploy/Dockerfile').matchAll(/^COPY (?!--from)(.*) \S+$/gm)].flatMap(
    ([, sources = '']) => sources.split(' ').map((source) => source.replace('./', '')),
  );
  const [first, ...allowed] = readRepositoryFile('.dockerignore')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'));
  assert.equal(first, '*');
  assert.deepEqual(allowed.toSorted(), [...new Set(copied)].map((source) => `!${source}`).toSorted());
});

test('the image has a Node that the package supports, the same as it is built with', () => {
  const [built, run] = [
    ...readRepositoryFile('deploy/Dockerfile').matchAll(/^FROM \S*?node(?:js|:)(\d+)-/gm),
  ];
  assert.equal(built?.[1], run?.[1]);
  assert.ok(isSupportedNode(`${run?.[1]}.99.0`));
});

test("every image and action of ours has the package's version", () => {
  for (const file of DEPLOY_FILES) {
    const named = readRepositoryFile(file).matchAll(/gcp-bearer-proxy(?:-orders)?(?::|@v)(\d[\w.-]*)/g);
    for (const [text, found] of named) assert.equal(found, version, `${file}: ${text}`);
  }
  assert.match(readRepositoryFile('deploy/Dockerfile'), new RegExp(`^ARG VERSION=${version}$`, 'm'));
});

test('the image starts what the build makes', () => {
  const { bin } = JSON.parse(readRepositoryFile('package.json'));
  assert.deepEqual(readImageCommand('ENTRYPOINT'), ['/nodejs/bin/node', `/app/${bin['gcp-bearer-proxy']}`]);
});
