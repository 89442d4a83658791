import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import type { Readable, Writable } from 'node:stream';

/**
 * Starts programs from a small shell that is kept for this purpose. Node starts a program by forking itself, which
 * copies the page tables of all its memory and blocks everything else meanwhile: a millisecond with 50 MiB resident,
 * fifteen with 250. The shell forks in a fraction of a millisecond, however large we are.
 */
export interface Launcher extends AsyncDisposable {
  /**
   * Starts `script`, which ends in `exec`, in the background and gives its pid. The process is not our child: it
   * outlives this process, and its end has to be polled for (watch-for-end.ts). The script has to redirect its output
   * itself. With `saysPid` the script ends in a program that starts the wanted program, writes its pid to descriptor 9,
   * and ends; the pid is 0 where it fails before that. Rejects with LaunchFailure.
   */
  start(script: string, how?: { readonly saysPid?: boolean }): Promise<number>;
  /**
   * Runs `script` to its end, or to the first command that fails. The script ends with this process, however this
   * process ends. Rejects with LaunchFailure.
   */
  run(script: string): Promise<void>;
}

export class LaunchFailure extends Error {
  override readonly name = 'LaunchFailure';
}

/** Scripts take milliseconds. If there is no answer within this time, the shell is killed. */
const answersWithinMs = 60_000;
/** The shell ends at the end of its input, within this time. */
const endsWithinMs = 10_000;
/** How much of the latest output of scripts is kept for the message of one that fails. */
const keptCharacters = 2000;

export const quote = (word: string): string => `'${word.replaceAll("'", String.raw`'\''`)}'`;
export const quoted = (words: readonly string[]): string => words.map(quote).join(' ');

/**
 * The first process of a container becomes the parent of all orphans, and Node does not reap processes that are not its
 * own children. In that case the shell keeps its children.
 */
const isInit = process.pid === 1;
/** Makes the shell reap children that have ended. */
const reap = 'jobs >/dev/null';

interface Waiting {
  readonly resolve: (value: number) => void;
  readonly reject: (error: Error) => void;
}

export function createLauncher(): Launcher {
  let shell: Shell | null = null;
  const running = (): Shell => {
    if (shell === null || shell.ended) shell = new Shell();
    return shell;
  };
  return {
    start: (script, { saysPid = false } = {}) =>
      running().ask((answer) => {
        // The answer is sent when the program that reports the pid ends; a script that fails reports no pid.
        const said = `pid=$(exec 9>&1\n${script}\n)\n${answer('${pid:-0}')}`;
        if (isInit) return saysPid ? `${said}\n${reap}` : `( ${script}\n) </dev/null &\n${answer('$!')}\n${reap}`;
        // The inner shell becomes the program; the outer one ends, so that init adopts the program.
        return saysPid ? `( ( ${said} ) & )` : `( ( ${script}\n) & ${answer('$!')} )`;
      }),
    async run(script) {
      const shell = running();
      const code = await shell.ask((answer) => {
        // The script ends with the shell, even where the shell ended before setpriv had taken effect.
        const whole = `[ $PPID = "$0" ] || exit\ntrap ${quote(answer('$?'))} EXIT\nset -e\n${script}`;
        return `setpriv --pdeathsig KILL /bin/sh -c ${quote(whole)} $$ </dev/null &\n${reap}`;
      });
      if (code !== 0) throw new LaunchFailure(`it ended with ${code}${shell.said === '' ? '' : `: ${shell.said}`}`);
    },
    async [Symbol.asyncDispose]() {
      await shell?.close();
    },
  };
}

/** One shell, which reads commands and answers with numbers. */
class Shell {
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  /** Marks answers: no other output of a program begins with it. */
  readonly #mark = randomBytes(8).toString('hex');
  readonly #waiting = new Map<number, Waiting>();
  #last = 0;
  #rest = '';
  #said = '';
  ended = false;

  constructor() {
    const path = `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`;
    // It runs apart from the terminal, so that an interrupt of ours does not reach what it starts, and outside our
    // folder, which somebody may want to unmount.
    this.#child = spawn('/bin/sh', [], {
      env: { PATH: path, LC_ALL: 'C' },
      cwd: '/',
      stdio: ['pipe', 'pipe', 'ignore'],
      detached: true,
    });
    const { stdin, stdout } = this.#child;
    const lost = (): void => this.#lost();
    this.#child.on('error', lost).on('exit', lost);
    stdin.on('error', lost);
    stdout.setEncoding('utf8').on('data', (text: string) => this.#take(text));
    stdin.write('exec 2>&1\n');
    // The shell does not keep this process running, and it ends when this process does.
    this.#child.unref();
    (stdin as Socket).unref();
    this.#rely(false);
  }

  /** The latest output of scripts, without answers. */
  get said(): string {
    return this.#said.trim().replaceAll('\n', ' | ');
  }

  /** Sends a script, in which `answer(what)` is a command that answers with a number. */
  async ask(script: (answer: (what: string) => string) => string): Promise<number> {
    const id = ++this.#last;
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    this.#waiting.set(id, { resolve, reject });
    this.#rely(true);
    const timer = setTimeout(() => {
      reject(new LaunchFailure(`nothing was heard for ${answersWithinMs / 1000} s`));
      // The next caller gets a new shell, and does not wait as long again.
      this.#child.kill('SIGKILL');
      this.#lost();
    }, answersWithinMs);
    try {
      this.#child.stdin.write(`${script((what) => `echo "${this.#mark} ${id} ${what}"`)}\n`);
      return await promise;
    } finally {
      clearTimeout(timer);
      this.#waiting.delete(id);
      this.#rely(this.#waiting.size > 0);
    }
  }

  async close(): Promise<void> {
    if (this.ended) return;
    const exit = once(this.#child, 'exit');
    this.#child.ref();
    this.#child.stdin.end();
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), endsWithinMs);
    await exit.finally(() => clearTimeout(timer));
  }

  #take(text: string): void {
    const lines = `${this.#rest}${text}`.split('\n');
    this.#rest = (lines.pop() ?? '').slice(-keptCharacters);
    for (const line of lines) {
      const [mark, id, value] = line.split(' ');
      if (mark === this.#mark) this.#waiting.get(Number(id))?.resolve(Number(value));
      else this.#said = `${this.#said}\n${line}`.slice(-keptCharacters);
    }
  }

  #lost(): void {
    this.ended = true;
    const error = new LaunchFailure('the shell that starts programs has ended');
    for (const { reject } of this.#waiting.values()) reject(error);
  }

  /** The shell keeps this process running only while an answer is pending. */
  #rely(on: boolean): void {
    const stdout = this.#child.stdout as Socket;
    if (on) stdout.ref();
    else stdout.unref();
  }
}
