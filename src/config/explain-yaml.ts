/** A mistake as the YAML library calls it. */
interface YamlMistake {
  readonly code: string;
  readonly message: string;
}

/**
 * A YAML mistake in words that help; the library's own where they do.
 * @param word what stands at the place of the mistake
 */
export function explainYaml(mistake: YamlMistake, word: string): [message: string, hint?: string] {
  switch (mistake.code) {
    case 'DUPLICATE_KEY':
      return [`The setting "${word.replaceAll(/["']/g, '')}" is there twice.`, 'Keep one of them.'];
    case 'TAB_AS_INDENT':
      return ['This line is indented with a tab.', 'Use spaces: YAML takes nothing else.'];
    case 'MULTIPLE_DOCS':
      return ['A second document starts here; a file holds one configuration.', 'Take the line `---` out.'];
    case 'BLOCK_AS_IMPLICIT_KEY':
      return [
        'This value seems to go on with another `name: value`.',
        'Is the next line indented too far? A value with ": " in it needs quotes.',
      ];
    case 'MULTILINE_IMPLICIT_KEY':
      return ['A colon is missing here, or the space after it.', 'Settings are written `name: value`.'];
    case 'BAD_SCALAR_START':
      return ["A value can't start with this character.", 'Put the value in quotes.'];
    case 'RESOURCE_EXHAUSTION':
      return ['This is nested too deeply.'];
    case 'TAG_RESOLVE_FAILED':
      return ['Tags such as !this have no meaning here.', 'Take the tag out, or put the value in quotes.'];
    case 'MISSING_CHAR':
    case 'BAD_INDENT':
      if (/quote/.test(mistake.message)) return ['A quotation mark before this place is not closed.'];
      if (/^Flow/.test(mistake.message)) return ['A bracket before this place is not closed.'];
      break;
  }
  return [`This is not YAML: ${mistake.message.charAt(0).toLowerCase()}${mistake.message.slice(1)}.`];
}
