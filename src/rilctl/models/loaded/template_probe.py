"""Whether a chat template ends: a template is a program, and one loop in another may take a year, or all memory.

This file is also a program: it fills in the template that it reads from stdin, in a process that may use little time
and memory. What the template says doesn't matter here, nor whether it fails.
"""

import json
import resource
import subprocess
import sys
from functools import cache

_MOST_SECONDS = 5
"""Of processor time; a real template takes a thousandth of one."""
_MOST_BYTES = 1 << 30
_PATIENCE_S = 120.0
_TOO_MUCH = 3


@cache
def ends(template: str) -> bool:
    """Whether filling a template in takes no more than little time and memory."""
    command = [sys.executable, "-I", __file__]
    try:
        done = subprocess.run(command, input=template.encode(), capture_output=True, timeout=_PATIENCE_S, check=False)
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def main() -> int:
    """`template_probe.py < TEMPLATE`."""
    resource.setrlimit(resource.RLIMIT_CPU, (_MOST_SECONDS, _MOST_SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (_MOST_BYTES, _MOST_BYTES))
    from jinja2.ext import loopcontrols
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols])
    environment.filters["tojson"] = lambda value, **options: json.dumps(value, indent=options.get("indent"))
    template = sys.stdin.buffer.read().decode()
    parts = [{"type": "image"}, {"type": "text", "text": "a question"}]
    turns = [
        {"role": "system", "content": "be brief"},
        {"role": "user", "content": "a question"},
        {"role": "assistant", "content": "an answer"},
        {"role": "user", "content": "another"},
    ]
    for messages in ([{"role": "user", "content": "a question"}], [{"role": "user", "content": parts}], turns):
        try:
            environment.from_string(template).render(messages=messages, add_generation_prompt=True)
        except MemoryError:
            return _TOO_MUCH
        except Exception:
            continue
    return 0


if __name__ == "__main__":
    sys.exit(main())
