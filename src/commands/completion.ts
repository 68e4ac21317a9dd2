import { inspectConfig } from '../config/resolve.ts';
import type { Io } from './io.ts';

/** The shells there is a script for. */
export const SHELLS = ['bash', 'zsh', 'fish', 'powershell'] as const;
export type Shell = (typeof SHELLS)[number];

/**
 * Prints the script that teaches a shell to complete. All of them ask the program itself what could follow, and take its
 * words as they are: no shell expands or runs what a route is called.
 * @returns the exit code
 */
export function runCompletion(shell: Shell, io: Pick<Io, 'stdout'>): number {
  io.stdout.write(SCRIPTS[shell]);
  return 0;
}

/** Names of the configured routes, to complete with; none where the configuration can't be read. */
export async function listRouteNames(
  config: string | undefined,
  { env, cwd }: Pick<Io, 'env' | 'cwd'>,
): Promise<readonly string[]> {
  const flags = config === undefined ? {} : { config };
  try {
    const findings = await inspectConfig({ flags, positionals: [], env, cwd });
    return findings.kind === 'good' ? findings.config.routes.map(({ name }) => name) : [];
  } catch {
    return [];
  }
}

// What the program prints depends on SHELL: for zsh it has descriptions.
const SCRIPTS: Readonly<Record<Shell, string>> = {
  bash: `# bash: source <(gcp-bearer-proxy completion bash)
_gcp_bearer_proxy() {
  local current=\${COMP_WORDS[COMP_CWORD]} word
  COMPREPLY=()
  while IFS= read -r word; do
    [[ $word == "$current"* ]] && COMPREPLY+=("$(printf '%q' "$word")")
  done < <(SHELL=bash gcp-bearer-proxy --get-yargs-completions "\${COMP_WORDS[@]:0:COMP_CWORD+1}" 2>/dev/null)
}
complete -o bashdefault -o default -F _gcp_bearer_proxy gcp-bearer-proxy
`,
  zsh: `#compdef gcp-bearer-proxy
# zsh: source <(gcp-bearer-proxy completion zsh), after compinit
_gcp_bearer_proxy() {
  local -a replies
  replies=("\${(@f)$(SHELL=zsh gcp-bearer-proxy --get-yargs-completions "\${(@)words[1,CURRENT]}" 2>/dev/null)}")
  replies=("\${(@)replies:#}")
  if (( \${#replies} )); then
    _describe 'gcp-bearer-proxy' replies
  else
    _files
  fi
}
compdef _gcp_bearer_proxy gcp-bearer-proxy
`,
  fish: `# fish: gcp-bearer-proxy completion fish | source
function __gcp_bearer_proxy_complete
    set -l words (commandline -opc) (commandline -ct)
    env SHELL=fish gcp-bearer-proxy --get-yargs-completions $words 2>/dev/null
end
complete -c gcp-bearer-proxy -a '(__gcp_bearer_proxy_complete)'
`,
  powershell: `# PowerShell: gcp-bearer-proxy completion powershell | Out-String | Invoke-Expression
Register-ArgumentCompleter -Native -CommandName gcp-bearer-proxy -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)
    $words = @($commandAst.CommandElements | Where-Object { $_.Extent.EndOffset -le $cursorPosition } | ForEach-Object { "$_" })
    if ($wordToComplete -eq '') { $words += ' ' }
    gcp-bearer-proxy --get-yargs-completions @words 2>$null |
        Where-Object { $_.StartsWith($wordToComplete) } |
        ForEach-Object { [System.Management.Automation.CompletionResult]::new($_, $_, 'ParameterValue', $_) }
}
`,
};
