import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { after, describe, it } from 'node:test';
import { ROOT } from '../support/cli.ts';
import { readRepositoryFile, readYaml } from './manifests.ts';
import {
  findSystemdAnalyze,
  prepareActionlint,
  prepareCloudRunCheck,
  prepareGrafanaCheck,
  preparePythonTools,
  type Tool,
} from './toolbox.ts';

// Schemas and linters that other people made, over what is in `deploy/`. What can't be had on this machine is left out,
// and said so: `npm run test:deploy`. Each is shown a mistake as well: one that says nothing to that proves nothing.

const dir = await mkdtemp(join(tmpdir(), 'gbp-deploy-'));
after(() => rm(dir, { recursive: true, force: true }));
const compiler = join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc');

const [python, actionlint, checkDashboard, checkCloudRun, systemdAnalyze] = await Promise.all([
  announceAbsence(
    "PyPI's tools (Docker, Kubernetes, Compose, ECS, GitLab, Cloud Build)",
    preparePythonTools(dir),
  ),
  announceAbsence('actionlint (GitHub Actions)', prepareActionlint(dir)),
  announceAbsence("Grafana's types for dashboards", prepareGrafanaCheck(dir)),
  announceAbsence("Google's types for Cloud Run", prepareCloudRunCheck(dir, compiler)),
  announceAbsence('systemd-analyze (the systemd unit)', findSystemdAnalyze()),
]);

async function announceAbsence<T>(what: string, tool: Promise<T>): Promise<T | undefined> {
  try {
    return await tool;
  } catch (error) {
    const [reason] = (error instanceof Error ? error.message : String(error)).split('\n');
    console.error(`\n*** NOT TRIED: ${what} can't be had on this machine: ${reason}\n`);
    return undefined;
  }
}

/** The repository's own. */
const WORKFLOWS = readdirSync(join(ROOT, '.github', 'workflows')).map((name) =>
  join(ROOT, '.github', 'workflows', name),
);

let copies = 0;

/** Writes a text under the file's own name, where a tool looks at nothing else. */
async function copy(file: string, text: string): Promise<string> {
  copies += 1;
  const path = join(dir, 'copies', String(copies), basename(file));
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, text);
  return path;
}

/** Whether a tool takes a file as it is, and doesn't once something in it is replaced. */
async function assertJudged(
  file: string,
  [from, to]: readonly [from: string, to: string],
  judge: (path: string) => Promise<unknown>,
): Promise<void> {
  const text = readRepositoryFile(file);
  assert.ok(text.includes(from), `${file} has no ${from}`);
  await judge(await copy(file, text));
  await assert.rejects(judge(await copy(file, text.replace(from, to))), `${file} may say ${to}`);
}

if (python !== undefined) {
  const {
    hadolint,
    zizmor,
    'kubernetes-validate': kubernetesValidate,
    'check-jsonschema': checkSchema,
  } = python;

  describe('hadolint', () => {
    it('finds nothing in the Dockerfiles', async () => {
      await assertJudged('deploy/Dockerfile', ['WORKDIR /build', 'WORKDIR build'], hadolint);
      await assertJudged('deploy/ecs/Dockerfile', [':0.1.0\nCOPY', '\nCOPY'], hadolint);
    });
  });

  describe('JSON Schemas', () => {
    const builtIn =
      (name: string, ...more: readonly string[]): Tool =>
      (path) =>
        checkSchema('--builtin-schema', `vendor.${name}`, ...more, path);

    it('Compose takes the compose file', () =>
      assertJudged('deploy/compose.yaml', ['stop_grace_period', 'stop_grace'], builtIn('compose-spec')));
    it('GitHub takes the action and the workflows', async () => {
      await assertJudged('action.yml', ['using: composite', 'using: shell'], builtIn('github-actions'));
      const workflow = builtIn('github-workflows');
      await assertJudged('deploy/ci/github-actions.yaml', ['runs-on:', 'runs_on:'], workflow);
      for (const path of WORKFLOWS) await workflow(path);
    });
    it('GitLab takes the pipeline', () =>
      assertJudged('deploy/ci/gitlab-ci.yaml', ['aud:', 'audience:'], builtIn('gitlab-ci')));
    it('Cloud Build takes the build', () =>
      assertJudged('deploy/ci/cloud-build.yaml', ['script:', 'scripts:'], builtIn('cloudbuild')));
    for (const file of ['deploy/proxy.yaml', 'deploy/ecs/proxy.yaml', 'deploy/ci/gitlab-proxy.yaml']) {
      it(`ours takes ${file}`, () =>
        assertJudged(file, ['upstream:', 'backend:'], (path) =>
          checkSchema('--schemafile', join(ROOT, 'config', 'proxy.schema.json'), path),
        ));
    }
  });

  describe('kubernetes-validate', () => {
    for (const version of ['1.30.0', '1.37.0']) {
      it(`takes the manifests for Kubernetes ${version}, no field unknown`, async () => {
        const judge: Tool = (path) => kubernetesValidate('--strict', '-k', version, path);
        await assertJudged('deploy/kubernetes/sidecar.yaml', ['restartPolicy:', 'restart:'], judge);
        await assertJudged('deploy/kubernetes/gateway.yaml', ['averageUtilization:', 'average:'], judge);
      });
    }
  });

  describe("the AWS SDK's description of ECS", () => {
    const program = `
import json, sys, botocore.session, botocore.validate
shape = botocore.session.get_session().get_service_model('ecs').operation_model('RegisterTaskDefinition').input_shape
report = botocore.validate.ParamValidator().validate(json.load(open(sys.argv[1])), shape)
sys.exit(report.generate_report() or 0)`;
    const judge: Tool = (path) => python.python('-c', program, path);
    it('takes the task definitions, no field unknown', async () => {
      await assertJudged('deploy/ecs/sidecar.json', ['"condition"', '"state"'], judge);
      await assertJudged('deploy/ecs/gateway.json', ['"valueFrom"', '"value"'], judge);
    });
  });

  describe('zizmor', () => {
    it('finds nothing of weight in the action and the workflows', async () => {
      const config = await copy('zizmor.yml', ZIZMOR_RULES);
      const judge: Tool = (path) => zizmor('--offline', '--config', config, '--min-severity', 'medium', path);
      const script = '"$GITHUB_ACTION_PATH/deploy/action/start.ts"';
      await assertJudged('action.yml', [script, `\${{ inputs.routes }} ${script}`], judge);
      await assertJudged(
        'deploy/ci/github-actions.yaml',
        ['@820762786026740c76f36085b0efc47a31fe5020', '@v7'],
        judge,
      );
    });
  });
}

/** The example names our action by its version, since the reader's commit can't be known. */
const ZIZMOR_RULES = `
rules:
  unpinned-uses:
    config:
      policies: { 'example/*': ref-pin, '*': hash-pin }
`;

if (actionlint !== undefined) {
  describe('actionlint', () => {
    it('finds nothing in the workflows', async () => {
      const judge: Tool = (path) => actionlint('-shellcheck=', '-pyflakes=', path);
      const damage = ['steps.proxy.outputs', 'steps.proxi.outputs'] as const;
      await assertJudged('deploy/ci/github-actions.yaml', damage, judge);
      for (const path of WORKFLOWS) await judge(path);
    });
  });
}

if (checkDashboard !== undefined) {
  describe("Grafana's types for dashboards", () => {
    it('take the dashboard, no field unknown', () =>
      assertJudged('deploy/grafana-dashboard.json', ['"gridPos"', '"grid"'], checkDashboard));
  });
}

if (checkCloudRun !== undefined) {
  describe("Google's types for Cloud Run", () => {
    it('take the service, no field unknown', async () => {
      const [service] = readYaml<object>('deploy/cloud-run/service.yaml');
      await checkCloudRun(service);
      const text = JSON.stringify(service);
      await assert.rejects(
        checkCloudRun(JSON.parse(text.replace('"tcpSocket"', '"tcp"'))),
        /tcp\W+ does not exist/,
      );
    });
  });
}

if (systemdAnalyze !== undefined) {
  describe('systemd-analyze', () => {
    it('finds nothing in the unit', async () => {
      const file = 'deploy/gcp-bearer-proxy.service';
      await assertJudged(file, ['ProtectHome=yes', 'ProtectHome=please'], async (path) => {
        // Whether the program is installed is not the question.
        const unit = await readFile(path, 'utf8');
        await writeFile(path, unit.replace('ExecStart=gcp-bearer-proxy ', `ExecStart=${process.execPath} `));
        const said = await systemdAnalyze('verify', '--man=no', path);
        assert.equal(said, '');
      });
    });

    it('gives it an exposure of at most 2 of 10', () =>
      assertJudged('deploy/gcp-bearer-proxy.service', ['CapabilityBoundingSet=\n', ''], (path) =>
        systemdAnalyze('security', '--offline=true', '--threshold=20', path),
      ));
  });
}
