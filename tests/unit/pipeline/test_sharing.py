"""Push and pull against a stand-in for the hub, through the real library."""

import json
import os
import pty
from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import HfApi, ModelCard, constants

from rilctl.artifacts.manifests import read_manifest
from rilctl.artifacts.verify import verify
from rilctl.cli import app
from rilctl.errors import ArtifactError, CredentialError, RilctlError, UsageError
from rilctl.pipeline.sharing.pull import pull
from rilctl.pipeline.sharing.push import pack, push
from rilctl.testing.hub import HubDouble, HubRepo
from rilctl.testing.stages import run_stage
from rilctl.testing.workspaces import write_workspace

REPO = "somebody/compact"
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")  # the library, of its own client


@pytest.fixture(scope="module")
def student(tmp_path_factory: pytest.TempPathFactory) -> Path:
    workspace = tmp_path_factory.mktemp("private-workspace")
    write_workspace(workspace)
    run_stage(workspace, "sft", "sft.num_steps=1")
    return next(workspace.glob("runs/*/sft"))


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[HubDouble]:
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)  # its servers speak a protocol of their own
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    with HubDouble("hf_ofthetest") as double:
        yield double


def client(hub: HubDouble, token: str | bool = "hf_ofthetest") -> HfApi:
    return HfApi(endpoint=hub.url, token=token)


def test_what_is_pushed_is_the_model_that_comes_back(hub: HubDouble, student: Path, tmp_path: Path) -> None:
    before = read_manifest(student)
    package = pack(student, REPO)
    push(package, REPO, public=False, api=client(hub))
    repo = hub.repos[REPO]
    assert repo.private and set(repo.tree) == set(package.sizes)
    out = pull(REPO, tmp_path / "back", api=client(hub))
    assert read_manifest(out).content_digest == before.content_digest and verify(out).ok
    assert read_manifest(student) == before and not (student / "README.md").exists()
    assert sorted(path.name for path in out.iterdir() if not path.name.startswith(".")) == sorted(
        {*package.files, "manifest.json"}
    )


def test_transformers_loads_what_is_pushed(hub: HubDouble, student: Path, tmp_path: Path) -> None:
    from transformers import AutoModelForImageTextToText

    push(pack(student, REPO), REPO, public=False, api=client(hub))
    for name, digest in hub.repos[REPO].tree.items():
        (tmp_path / name).write_bytes(hub.contents[digest])
    assert AutoModelForImageTextToText.from_pretrained(tmp_path).num_parameters() > 0


def test_nothing_private_leaves(hub: HubDouble, student: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_API_KEY", "student")  # a word that stands everywhere is too short for a secret
    push(pack(student, REPO), REPO, public=False, api=client(hub))
    sent = b"".join(hub.contents.values())
    assert b"private-workspace" not in sent and str(Path.home()).encode() + b"/" not in sent
    card = ModelCard(hub.contents[hub.repos[REPO].tree["README.md"]].decode())
    assert card.data.library_name == "transformers" and "## Licences and terms" in card.text


def test_a_push_that_broke_off_sends_no_file_twice_and_changes_nothing_before_its_end(
    hub: HubDouble, student: Path
) -> None:
    hub.fails_at_upload = 1
    with pytest.raises(RilctlError, match="didn't get through"):
        push(pack(student, REPO), REPO, public=False, api=client(hub))
    assert hub.repos[REPO].tree == {} and len(hub.uploads) == 1
    hub.fails_at_upload = None
    push(pack(student, REPO), REPO, public=False, api=client(hub))
    assert len(hub.uploads) == len(set(hub.uploads)) > 1


def test_a_file_that_was_changed_on_its_way_makes_no_artifact(hub: HubDouble, student: Path, tmp_path: Path) -> None:
    push(pack(student, REPO), REPO, public=False, api=client(hub))
    digest = hub.repos[REPO].tree["model.safetensors"]
    hub.contents[digest] = hub.contents[digest][:-1] + b"!"
    with pytest.raises(ArtifactError, match=r"model\.safetensors` was changed"):
        pull(REPO, tmp_path / "back", api=client(hub))
    assert not (tmp_path / "back/manifest.json").exists()


def test_a_manifest_that_fits_other_weights_is_found(hub: HubDouble, student: Path, tmp_path: Path) -> None:
    from rilctl.artifacts.sealed import sealed_json

    package = pack(student, REPO)
    push(package, REPO, public=False, api=client(hub))
    tree = hub.repos[REPO].tree
    forged = read_manifest(student).model_copy(update={"content_digest": "0" * 64, "file_digest": None, "roles": []})
    tree["manifest.json"] = hub.keep(sealed_json(forged))
    with pytest.raises(ArtifactError, match="the files' content digest is"):
        pull(REPO, tmp_path / "back", api=client(hub))


def test_who_may_not_push_is_told(hub: HubDouble, student: Path) -> None:
    with pytest.raises(CredentialError, match="doesn't know the token that it was sent for `somebody/compact`"):
        push(pack(student, REPO), REPO, public=False, api=client(hub, "hf_another"))
    with pytest.raises(CredentialError, match="the token may not do this"):
        push(pack(student, REPO), REPO, public=False, api=client(hub, hub.stranger))
    with pytest.raises(CredentialError, match="the hub was sent no token") as caught:
        push(pack(student, REPO), REPO, public=False, api=client(hub, False))
    assert caught.value.hint and "to push" in caught.value.hint and "HF_TOKEN" in caught.value.hint
    push(pack(student, REPO), REPO, public=True, api=client(hub))
    with pytest.raises(UsageError, match="everybody can see it"):
        push(pack(student, REPO), REPO, public=False, api=client(hub))


@pytest.mark.parametrize(
    ("repo", "token", "error", "message", "hint"),
    [
        ("nosuch", "hf_ofthetest", UsageError, "`nosuch` is no name of a repository", "`OWNER/NAME`"),
        (
            "somebody/else",
            "hf_ofthetest",
            UsageError,
            "the hub has no `somebody/else` that you may see",
            "check the name",
        ),
        (REPO, "hf_astranger", UsageError, f"the hub has no `{REPO}` that you may see", "its owner has to let you in"),
        (
            REPO,
            False,
            CredentialError,
            "the hub was sent no token, and without one",
            "if it is private: `hf auth login`",
        ),
        (REPO, "hf_another", CredentialError, "the hub doesn't know the token", "`hf auth login`"),
        ("somebody/gated", "hf_astranger", CredentialError, "is gated: its owner has to let you in", "ask for access"),
        ("somebody/gated", False, CredentialError, "is gated: its owner has to let you in", "and log in: `hf auth"),
    ],
)
def test_what_can_not_be_pulled_says_why(
    hub: HubDouble,
    tmp_path: Path,
    repo: str,
    token: str | bool,
    error: type[RilctlError],
    message: str,
    hint: str,
) -> None:
    hub.repos[REPO] = HubRepo(private=True)
    hub.repos["somebody/gated"] = HubRepo(private=False, gated=True)
    with pytest.raises(error, match=message) as caught:
        pull(repo, tmp_path / "back", api=client(hub, token))
    assert caught.value.hint and hint in caught.value.hint
    assert not (tmp_path / "back").exists()


def test_a_public_one_needs_no_token_and_a_revision_has_to_be_there(
    hub: HubDouble, student: Path, tmp_path: Path
) -> None:
    push(pack(student, REPO), REPO, public=True, api=client(hub))
    assert verify(pull(REPO, tmp_path / "back", api=client(hub, False))).ok
    with pytest.raises(UsageError, match="`somebody/compact` has no such revision"):
        pull(REPO, tmp_path / "other", revision="v9", api=client(hub))


def test_without_a_network_that_is_what_is_said(
    hub: HubDouble, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nowhere = HfApi(endpoint="http://127.0.0.1:9", token="hf_ofthetest")  # the port of `discard`, where nobody listens
    with pytest.raises(RilctlError, match="the hub can't be reached for `somebody/compact`") as caught:
        pull(REPO, tmp_path / "back", api=nowhere)
    assert caught.value.hint and "check the network" in caught.value.hint
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(RilctlError, match="this machine is set to stay offline"):
        pull(REPO, tmp_path / "back", api=client(hub))


def test_who_says_no_ends_with_exit_code_1(
    student: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs = pty.openpty()
    os.write(ours, b"n\n")
    with os.fdopen(theirs, "r") as terminal:
        monkeypatch.setattr("sys.stdin", terminal)
        assert app.run(["artifacts", "push", str(student), REPO]) == 1
    os.close(ours)
    assert capfd.readouterr().err.rstrip().endswith("nothing was sent")


def test_without_a_word_nothing_leaves(student: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert app.run(["artifacts", "push", str(student), REPO, "--json"]) == 2
    assert "`--yes` sends it without asking" in capfd.readouterr().err
    assert app.run(["artifacts", "push", str(student), REPO, "--dry-run", "--json"]) == 0
    shown = json.loads(capfd.readouterr().out)
    assert shown["card"].startswith("---\n") and {"README.md", "manifest.json"} < set(shown["files"])
