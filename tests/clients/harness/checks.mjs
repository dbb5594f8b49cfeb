// What every client program prints, and how it ends.
//
// | Rule | Why |
// |---|---|
// | one line per check, `ok - ...` or `not ok - ...`, the cause below it in `# ` lines | `tests/run` adds them up, people read them |
// | a failed check ends its group, other groups go on | what follows a failed step fails for no reason of its own |
// | `check.also` fails alone | for checks that nothing builds on |
// | exit 1 if one check failed or none ran | a program that checked nothing looks like a green one |
//
//   const checks = new Checks('openid_client');
//   await checks.group('sqlite', async (check) => { const tokens = await check('the code is redeemed', () => ...); });
//   checks.end();

class GroupEnded extends Error {}

const MAX_CAUSE_LINES = 12;

export class Checks {
  constructor(program) {
    this.program = program;
    this.passed = 0;
    this.failed = 0;
  }

  note(text) {
    for (const line of String(text).split('\n')) console.log(`# ${line}`);
  }

  /// Runs `body` with a `check(sentence, action)` that gives the action's result. `onFailure` may give text that explains.
  async group(title, body, onFailure) {
    const run = (mayGoOn) => async (sentence, action) => {
      const begun = Date.now();
      try {
        const result = await action();
        this.passed += 1;
        console.log(`ok - ${this.program} [${title}] ${sentence} (${Date.now() - begun} ms)`);
        return result;
      } catch (error) {
        await this.#fail(`[${title}] ${sentence}`, error, mayGoOn ? undefined : onFailure);
        if (!mayGoOn) throw new GroupEnded();
        return undefined;
      }
    };
    const check = Object.assign(run(false), { also: run(true) });
    try {
      await body(check);
    } catch (error) {
      if (error instanceof GroupEnded) this.note(`the rest of [${title}] was not run`);
      else await this.#fail(`[${title}] between two checks`, error, onFailure);
    }
  }

  async #fail(what, error, onFailure) {
    this.failed += 1;
    console.log(`not ok - ${this.program} ${what}`);
    this.note(describe(error));
    const more = await Promise.resolve(onFailure?.()).catch((e) => `(no explanation: ${e.message})`);
    if (more) this.note(more);
  }

  end() {
    console.log(`# ${this.program}: ${this.passed} passed, ${this.failed} failed`);
    process.exit(this.failed > 0 || this.passed === 0 ? 1 : 0);
  }
}

/// The message, what the libraries hide beside it, and where in our own files it happened.
function describe(error) {
  const lines = String(error?.message ?? error).split('\n').slice(0, MAX_CAUSE_LINES);
  for (const name of ['code', 'error', 'error_description', 'status']) {
    if (error?.[name] !== undefined && !lines.join().includes(String(error[name]))) lines.push(`${name}: ${error[name]}`);
  }
  if (error?.cause !== undefined) {
    const cause = error.cause instanceof Error ? error.cause.message : JSON.stringify(error.cause);
    lines.push(`cause: ${String(cause).slice(0, 600)}`);
  }
  const at = String(error?.stack ?? '').split('\n').find((line) => line.includes('/tests/clients/') && !line.includes('node_modules'));
  if (at) lines.push(at.trim().replace(/\(?file:\/\/.*\/tests\/clients\//, '(tests/clients/'));
  return lines.join('\n');
}

/// `--backend sqlite`, `--backend postgres`; both where nothing is said. Anything else is wrong usage.
export function backends(argv = process.argv.slice(2)) {
  if (argv.length === 0) return ['sqlite', 'postgres'];
  if (argv.length === 2 && argv[0] === '--backend' && ['sqlite', 'postgres'].includes(argv[1])) return [argv[1]];
  console.error('usage: node <program>.mjs [--backend sqlite|postgres]');
  process.exit(2);
}
