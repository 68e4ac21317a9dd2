import { redactSecrets } from '../observe/redact.ts';

/** Sees to it that whatever a process says of its own faults holds no secret. One that it doesn't expect ends it, with 1. */
export function guardProcess(): void {
  // Libraries warn of what is said better elsewhere (no metadata server: the token's own error); and a warning may quote.
  process.removeAllListeners('warning');
  process.on('warning', ({ name, message }) => {
    if (name !== 'MetadataLookupWarning') process.stderr.write(`${name}: ${redactSecrets(message)}\n`);
  });
  // The variables hold secrets where the configuration says `env:NAME`; a diagnostic report (--report-on-signal, say) has no need of them.
  if (process.report !== undefined) process.report.excludeEnv = true;
  process.on('uncaughtException', (error) => {
    process.stderr.write(
      `gcp-bearer-proxy: unexpected error\n${redactSecrets(error.stack ?? error.message)}\n`,
    );
    process.exit(1);
  });
}
