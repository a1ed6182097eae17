"""A stand-in for the hub on this machine: the calls that `huggingface_hub` makes to push and fetch a model.

Repositories are made, files go up as git blobs or through LFS, commits change a tree, files come down by revision, with
ranges, and who may not see one is turned away as by the hub. What a real hub adds (Xet, organisations, other kinds of
repositories) isn't here.
"""

import base64
import hashlib
import json
import re
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import unquote, urlsplit

_LFS_BYTES = 10_000
"""Files from this size on go through LFS; the hub decides by name and content."""


@dataclass
class HubRepo:
    """A repository.

    Args:
        private: whether others are kept out.
        gated: whether its owner lets people in one by one.
        commits: trees by commit, the newest last: each file's sha256 by name.
    """

    private: bool
    gated: bool = False
    commits: dict[str, dict[str, str]] = field(default_factory=dict)

    @property
    def tree(self) -> dict[str, str]:
        """The newest one."""
        return next(reversed(self.commits.values()), {})

    @property
    def sha(self) -> str:
        """The newest commit."""
        return next(reversed(self.commits), "0" * 40)


class HubDouble:
    """The server; up inside its context.

    Args:
        token: of the owner of all repositories.
        stranger: of somebody else, who sees what is public.
    """

    def __init__(self, token: str, stranger: str = "hf_astranger") -> None:
        self.token, self.stranger = token, stranger
        self.repos: dict[str, HubRepo] = {}
        self.contents: dict[str, bytes] = {}
        self.uploads: list[str] = []
        self.uploading = threading.Lock()
        self.fails_at_upload: int | None = None
        """The upload, from 0, that is refused; and then every other."""
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()

    def keep(self, content: bytes) -> str:
        """Keep bytes; their digest."""
        digest = hashlib.sha256(content).hexdigest()
        self.contents[digest] = content
        return digest

    def commit(self, repo: HubRepo, lines: list[dict[str, Any]]) -> str:
        """Change the tree as a commit's lines say; the new commit."""
        tree = dict(repo.tree)
        for line in lines:
            value = line["value"]
            if line["key"] == "file":
                tree[value["path"]] = self.keep(base64.b64decode(value["content"]))
            elif line["key"] == "lfsFile":
                if value["oid"] not in self.contents:
                    raise ValueError("a file that was never uploaded")
                tree[value["path"]] = value["oid"]
            elif line["key"] == "deletedFile":
                del tree[value["path"]]
        sha = hashlib.sha1(json.dumps([len(repo.commits), tree]).encode(), usedforsecurity=False).hexdigest()
        repo.commits[sha] = tree
        return sha


def _handler(hub: HubDouble) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

        def do_POST(self) -> None:
            body, path = self._body(), urlsplit(self.path).path
            if self._refused(None):
                return
            if path == "/api/repos/create":
                self._create(json.loads(body))
            elif path == "/api/validate-yaml":
                self._json({"errors": [], "warnings": []})
            elif found := re.fullmatch(r"/api/models/(.+)/preupload/[^/]+", path):
                self._preupload(found[1], json.loads(body))
            elif found := re.fullmatch(r"/(.+)\.git/info/lfs/objects/batch", path):
                self._batch(json.loads(body))
            elif found := re.fullmatch(r"/api/models/(.+)/commit/[^/]+", path):
                lines = [json.loads(line) for line in body.splitlines()]
                sha = hub.commit(hub.repos[found[1]], lines)
                self._json({"commitUrl": f"{hub.url}/{found[1]}/commit/{sha}", "commitOid": sha, "success": True})
            else:
                self._json({"error": path}, 404)

        def do_PUT(self) -> None:
            content, digest = self._body(), self.path.rpartition("/")[2]
            with hub.uploading:  # files come side by side, and are counted one after the other
                if hub.fails_at_upload is not None and len(hub.uploads) >= hub.fails_at_upload:
                    self._json({"error": "broken"}, 400)
                    return
                if hub.keep(content) != digest:
                    self._json({"error": "another digest"}, 400)
                    return
                hub.uploads.append(digest)
            self._json({})

        def do_GET(self) -> None:
            path = unquote(urlsplit(self.path).path)
            asked = re.match(r"(?:/api/models)?/([^/]+/[^/]+)", path)
            if self._refused(asked and asked[1]):
                return
            if found := re.fullmatch(r"/api/models/([^/]+/[^/]+)(?:/revision/(.+))?", path):
                self._info(found[1], found[2])
            elif found := re.fullmatch(r"/api/models/([^/]+/[^/]+)/tree/([^/]+).*", path):
                self._tree(found[1], found[2])
            elif found := re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path):
                self._file(found[1], found[2], found[3])
            else:
                self._json({"error": path}, 404)

        do_HEAD = do_GET

        def _create(self, asked: dict[str, Any]) -> None:
            name = f"{asked['organization'] or 'me'}/{asked['name']}"
            is_known = name in hub.repos
            private = asked.get("private", asked.get("visibility") == "private")
            hub.repos.setdefault(name, HubRepo(bool(private)))
            self._json({"url": f"{hub.url}/{name}", "name": name}, 409 if is_known else 200)

        def _preupload(self, name: str, asked: dict[str, Any]) -> None:
            files = [
                {
                    "path": file["path"],
                    "uploadMode": "lfs" if file["size"] >= _LFS_BYTES else "regular",
                    "shouldIgnore": False,
                    "oid": hub.repos[name].tree.get(file["path"]),
                }
                for file in asked["files"]
            ]
            self._json({"files": files})

        def _batch(self, asked: dict[str, Any]) -> None:
            objects = []
            for each in asked["objects"]:
                upload = {"upload": {"href": f"{hub.url}/lfs/{each['oid']}"}}
                objects.append({**each, **({} if each["oid"] in hub.contents else {"actions": upload})})
            self._json({"transfer": "basic", "objects": objects})

        def _info(self, name: str, revision: str | None) -> None:
            repo = hub.repos.get(name)
            if repo is None:
                self._json({"error": "Repository not found"}, 404, **{"X-Error-Code": "RepoNotFound"})
                return
            sha = repo.sha if revision in (None, "main") else str(revision)
            if revision not in (None, "main", *repo.commits):
                self._json({"error": "Invalid rev id"}, 404, **{"X-Error-Code": "RevisionNotFound"})
                return
            siblings = [{"rfilename": file} for file in repo.commits.get(sha, {})]
            self._json({"id": name, "modelId": name, "sha": sha, "private": repo.private, "siblings": siblings})

        def _tree(self, name: str, revision: str) -> None:
            repo = hub.repos[name]
            tree = repo.tree if revision == "main" else repo.commits[revision]
            self._json(
                [{"type": "file", "path": f, "size": len(hub.contents[d]), "oid": d[:40]} for f, d in tree.items()]
            )

        def _file(self, name: str, revision: str, file: str) -> None:
            repo = hub.repos[name]
            sha = repo.sha if revision == "main" else revision
            digest = repo.commits[sha].get(file)
            if digest is None:
                self._json({"error": "Entry not found"}, 404, **{"X-Error-Code": "EntryNotFound"})
                return
            content = hub.contents[digest]
            head = {"X-Repo-Commit": sha, "ETag": f'"{digest}"', "X-Linked-Size": str(len(content))}
            begin = 0
            if asked := re.fullmatch(r"bytes=(\d+)-.*", self.headers.get("Range", "")):
                begin = int(asked[1])
                head["Content-Range"] = f"bytes {begin}-{len(content) - 1}/{len(content)}"
            self._send(content[begin:], 206 if begin else 200, head)

        def _refused(self, read: str | None) -> bool:
            """As the hub does: who may not see a repository isn't told whether there is one.

            Args:
                read: the repository that is read; None: something is written.
            """
            said = self.headers.get("Authorization")
            repo = hub.repos.get(read or "")
            if said == f"Bearer {hub.token}":
                return False
            if said not in (None, f"Bearer {hub.stranger}"):
                message = "Invalid credentials in Authorization header"
                self._json({"error": message}, 401, **{"X-Error-Message": message})
            elif repo is not None and repo.gated:
                self._json({"error": "ask"}, 401 if said is None else 403, **{"X-Error-Code": "GatedRepo"})
            elif repo is not None and not repo.private:
                return False
            elif said is None:
                self._json({"error": "Invalid username or password."}, 401)
            elif read is None:
                self._json({"error": "you may not"}, 403)
            else:
                self._json({"error": "Repository not found"}, 404, **{"X-Error-Code": "RepoNotFound"})
            return True

        def _body(self) -> bytes:
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))

        def _json(self, value: Any, status: int = 200, **headers: str) -> None:
            self._send(json.dumps(value).encode(), status, {"Content-Type": "application/json", **headers})

        def _send(self, content: bytes, status: int, headers: dict[str, str]) -> None:
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

    return Handler
