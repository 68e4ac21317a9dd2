import { ALWAYS_DIFFERENT, COVERAGE, type Fate, type Setting } from './coverage.ts';

/** What a configuration says that Envoy doesn't do, or does in another way. */
export interface Remark {
  readonly kind: 'differs' | 'left-out';
  /** `routes.localize.cookies` */
  readonly setting: string;
  /** Routes, listeners or credentials it is about; none where it is about the whole. */
  readonly subjects: readonly string[];
  readonly text: string;
}

/** Collects remarks while a configuration is carried over. */
export interface Remarks {
  /** Notes that something has this setting. Harmless for what is carried over as it is, and more than once. */
  note(setting: Setting, subject?: string): void;
  /** In the order of the table of settings, one for each. */
  list(): readonly Remark[];
}

export function createRemarks(): Remarks {
  const noted = new Map<Setting, Set<string>>();
  return {
    note(setting, subject) {
      const subjects = noted.get(setting) ?? new Set();
      noted.set(setting, subject === undefined ? subjects : subjects.add(subject));
    },
    list() {
      return (Object.keys(COVERAGE) as Setting[]).flatMap((setting): readonly Remark[] => {
        const fate: Fate = COVERAGE[setting];
        const subjects = noted.get(setting);
        if (subjects === undefined || fate.kind === 'carried' || fate.kind === 'with-kind') return [];
        return [
          { kind: fate.kind, setting: setting.split(':')[0] ?? '', subjects: [...subjects], text: fate.text },
        ];
      });
    },
  };
}

/** A remark as one line: what, whose, and what comes of it. */
export function formatRemark({ setting, subjects, text }: Remark): string {
  return `${setting}${subjects.length === 0 ? '' : ` (${subjects.join(', ')})`}: ${text}`;
}

/** The remarks as comments for the head of a file, and those that hold for every export. */
export function toHeadComment(remarks: readonly Remark[], source: string): string {
  const of = (kind: Remark['kind']): readonly string[] =>
    remarks.filter((remark) => remark.kind === kind).map(formatRemark);
  const parts = [
    ['NOT carried over:', of('left-out')],
    ['Carried over, but different:', of('differs')],
    ['Different in every export:', ALWAYS_DIFFERENT],
  ] as const;
  const lines = [
    `Envoy's configuration for ${source}, made by \`gcp-bearer-proxy export envoy\`: envoy -c FILE`,
    ...parts.flatMap(([title, items]) =>
      items.length === 0 ? [] : ['', title, ...items.map((item) => `- ${item}`)],
    ),
  ];
  return lines
    .map((line) => `# ${toOneLine(line)}`.trimEnd())
    .join('\n')
    .concat('\n');
}

/** A file's or a host's name may hold what would end a comment. */
function toOneLine(text: string): string {
  return text.replace(/[\p{Cc}\p{Zl}\p{Zp}]/gu, '?');
}
