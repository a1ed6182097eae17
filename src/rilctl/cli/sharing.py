"""`artifacts push|pull`."""

from pathlib import Path
from typing import Annotated

import typer

from rilctl.cli import output
from rilctl.cli.asking import check_asking, confirm
from rilctl.cli.options import Debug, Json
from rilctl.reporting import format


def push(
    artifact: Annotated[Path, typer.Argument(metavar="ARTIFACT", help="A student, or a run that made one.")],
    repo: Annotated[str, typer.Argument(metavar="REPO", help="On the hub: OWNER/NAME; made if it isn't there.")],
    public: Annotated[bool, typer.Option("--public", help="Everybody may see it; else it is private.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be sent; nothing leaves.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Send without asking.")] = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Send a student to the Hugging Face hub, with a card.

    The card and the list of files are shown, and asked for, before anything leaves. Paths, addresses and keys stay
    here. The same command again goes on where it stopped.
    """
    from rilctl.pipeline.sharing.push import pack
    from rilctl.pipeline.sharing.push import push as push_package

    package = pack(artifact, repo)
    check_asking(yes=yes, dry_run=dry_run, as_json=as_json, does="sends", shown="what would be sent")
    for line in package.card.splitlines():
        output.say(line)
    for name, size in package.sizes.items():
        output.say(f"{format.size(size):>10}  {name}")
    seen_by = "everybody" if public else "you, and those you let in"
    output.say(f"{format.size(sum(package.sizes.values()))} to `{repo}`, seen by {seen_by}")
    if dry_run:
        if as_json:
            output.result_json({"repo": repo, "files": package.sizes, "card": package.card})
        return
    if not yes:
        confirm("send this?", otherwise="nothing was sent")
    url = push_package(package, repo, public=public)
    output.result_json({"repo": repo, "url": url, "files": package.sizes}) if as_json else output.result(url)


def pull(
    repo: Annotated[str, typer.Argument(metavar="REPO", help="On the hub: OWNER/NAME.")],
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Where it goes; absent: NAME, in this directory.")
    ] = None,
    revision: Annotated[
        str | None, typer.Option("--revision", metavar="REV", help="A branch, tag or commit; absent: the newest.")
    ] = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Fetch a student that was pushed, and check every byte of it.

    Exit code 5 if something is not as its manifest says; then there is no artifact.
    """
    from rilctl.artifacts.read import summarize
    from rilctl.pipeline.sharing.pull import pull as pull_student

    path = pull_student(repo, out or Path(repo.rpartition("/")[2]), revision=revision)
    if as_json:
        output.result_json(summarize(path).model_dump(mode="json"))
        return
    output.result(str(path))
