import { createHash } from 'node:crypto';
import { constants, readFileSync } from 'node:fs';
import { join } from 'node:path';
import ignore, { type Ignore } from 'ignore';

/** Files with patterns, in the order in which git and we read them: a later one decides. */
const ignoreFiles = ['.gitignore', '.novaignore'];
/** A file with patterns of more bytes is not read: each of its patterns would be tried on each path. */
const maxIgnoreBytes = 1024 * 1024;

/** A link could lead anywhere, and a pipe would block. */
const asFile = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

interface Level {
  /** The folder of the patterns, with a slash at its end; empty for the top. */
  readonly folder: string;
  readonly text: string;
  readonly rules: Ignore;
}

/**
 * The patterns that apply in one folder: those of its own ignore files, and of all folders above it. As in git the
 * deepest file that says anything decides, and in one file the last pattern.
 */
export class IgnoreRules {
  /** Changes whenever the patterns do. */
  readonly digest: string;
  /** The deepest level is the last one. */
  readonly #levels: readonly Level[];

  private constructor(levels: readonly Level[], digest: string) {
    this.#levels = levels;
    this.digest = digest;
  }

  /** The patterns of the top folder, with those that git keeps outside of the tree. */
  static ofTop(top: string): IgnoreRules {
    const exclude = patternsIn(join(top, '.git/info/exclude'));
    return new IgnoreRules([], '').#with('', [exclude, ...ignoreFiles.map((name) => patternsIn(join(top, name)))]);
  }

  /**
   * The patterns in a folder below.
   *
   * @param folder relative to the top, with a slash at its end
   * @param names the names in the folder, where they are known
   */
  below(top: string, folder: string, names?: ReadonlySet<string>): IgnoreRules {
    const files = ignoreFiles.filter((name) => names?.has(name) !== false);
    return this.#with(
      folder,
      files.map((name) => patternsIn(join(top, folder, name))),
    );
  }

  /** Whether a path is left out. Its parents must have been tested before, and not be left out. */
  ignores(path: string, isDirectory: boolean): boolean {
    return this.#verdict(path, isDirectory) === 'ignored';
  }

  /**
   * The rules for what is below a folder that is not ignored. A level that ignores the folder, and that a deeper one
   * overruled, would ignore everything below it too.
   */
  inside(folder: string): IgnoreRules {
    const overruled = (level: Level): boolean => level.rules.test(folder.slice(level.folder.length)).ignored;
    if (!this.#levels.some(overruled)) return this;
    const levels = this.#levels.map((level) => {
      if (!overruled(level)) return level;
      const text = `${level.text}\n!/${escaped(folder.slice(level.folder.length))}`;
      return { ...level, text, rules: compiled(text) };
    });
    return new IgnoreRules(levels, digestOf(this.digest, folder));
  }

  #verdict(path: string, isDirectory: boolean): 'ignored' | 'included' {
    for (let at = this.#levels.length - 1; at >= 0; at -= 1) {
      const level = this.#levels[at] as Level;
      const { ignored, unignored } = level.rules.test(path.slice(level.folder.length) + (isDirectory ? '/' : ''));
      if (ignored) return 'ignored';
      if (unignored) return 'included';
    }
    return 'included';
  }

  #with(folder: string, texts: readonly string[]): IgnoreRules {
    const text = texts.filter((each) => each !== '').join('\n');
    if (text === '') return this;
    return new IgnoreRules(
      [...this.#levels, { folder, text, rules: compiled(text) }],
      digestOf(this.digest, folder, text),
    );
  }
}

const compiled = (text: string): Ignore => ignore({ ignorecase: process.platform === 'darwin' }).add(text);

const digestOf = (...parts: readonly string[]): string =>
  createHash('sha256').update(JSON.stringify(parts)).digest('base64url').slice(0, 16);

const escaped = (path: string): string => path.replaceAll(/[\\*?[\]!# ]/g, '\\$&');

/** Empty where there is no such file. */
function patternsIn(file: string): string {
  try {
    const text = readFileSync(file, { encoding: 'utf8', flag: asFile });
    return text.length > maxIgnoreBytes ? '' : text;
  } catch {
    return '';
  }
}
