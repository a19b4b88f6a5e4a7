"""The example's images and the registry that serves them to the nodes.

The images are built once from the base's busybox and kept in the machine's cache. The registry is Debian's,
on the first control host, under TLS and behind a password, so that pulls work in the lab as they do
elsewhere.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import shutil
from collections.abc import Callable
from pathlib import Path

from labkit import base as bases
from labkit import layout, machines, shell

PORT = 5000
ADDRESS = f"{layout.REGISTRY}:{PORT}"
VERSIONS = ("1", "2")
USER = "lab"
CERTIFICATE_DAYS = 3650
_SOURCE = "deploy/examples/images/web"
_UNIT = "/etc/systemd/system/docker-registry.service"
_ON_HOST = "/var/lib/fairlead-lab/images"

_CONFIG = f"""\
version: 0.1
log: {{level: warn, accesslog: {{disabled: true}}}}
storage:
  filesystem: {{rootdirectory: /var/lib/docker-registry}}
  delete: {{enabled: true}}
http:
  addr: :{PORT}
  tls: {{certificate: /etc/docker/registry/tls.crt, key: /etc/docker/registry/tls.key}}
auth:
  htpasswd: {{realm: {layout.REGISTRY}, path: /etc/docker/registry/htpasswd}}
"""


def path(checkout: Path) -> Path:
    """Where the built images lie, made or not."""
    digest = hashlib.sha256(bases.key().encode())
    for file in sorted((checkout / _SOURCE).rglob("*")):
        if file.is_file():
            digest.update(str(file.relative_to(checkout)).encode() + file.read_bytes())
    return layout.CACHE / f"images-{digest.hexdigest()[:12]}"


def ensure(checkout: Path, base: Path) -> Path:
    """Build the images unless they are there."""
    target = path(checkout)
    with shell.locked(layout.CACHE / "images.lock"):
        if not target.is_dir():
            fresh = target.with_name(target.name + ".new")
            shutil.rmtree(fresh, ignore_errors=True)
            fresh.mkdir()
            try:
                binds = {checkout / _SOURCE: "/tmp/source", fresh: "/tmp/images"}
                bases.inside(base, ("/tmp/source/build", "/tmp/images", *VERSIONS), binds)
                fresh.rename(target)
            finally:
                with shell.interruptions_ignored():
                    shutil.rmtree(fresh, ignore_errors=True)
    return target


class Registry:
    """The lab's registry: its certificate and password, made anew for each lab and kept in .lab."""

    def __init__(self, lab: layout.Lab) -> None:
        self._lab = lab
        self._folder = lab.folder / "registry"

    def make_secrets(self) -> None:
        """Make certificate and password unless they are there."""
        if (self._folder / "password").exists():
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        shell.run(
            (
                *(
                    "openssl",
                    "req",
                    "-x509",
                    "-newkey",
                    "ec",
                    "-pkeyopt",
                    "ec_paramgen_curve:prime256v1",
                    "-nodes",
                ),
                *("-days", str(CERTIFICATE_DAYS), "-subj", f"/CN={layout.REGISTRY}"),
                *("-addext", f"subjectAltName=DNS:{layout.REGISTRY},IP:{self._lab.controls[0].address}"),
                *("-keyout", self._folder / "tls.key", "-out", self._folder / "tls.crt"),
            )
        )
        (self._folder / "password").write_text(secrets.token_urlsafe(16))

    def credentials(self) -> str:
        """The auth.json that pulls need."""
        token = base64.b64encode(f"{USER}:{self._password()}".encode()).decode()
        return json.dumps({"auths": {ADDRESS: {"auth": token}}}) + "\n"

    def files(self, host: layout.Host, base: Path) -> dict[str, str]:
        """What a host's disk needs: trust and credentials, and on the first control host the registry."""
        certificate = (self._folder / "tls.crt").read_text()
        table = {
            f"/etc/containers/certs.d/{ADDRESS}/ca.crt": certificate,
            "/root/.config/containers/auth.json": self.credentials(),
        }
        if host == self._lab.controls[0]:
            script = (
                "import crypt, sys\nprint(crypt.crypt(sys.argv[1], crypt.mksalt(crypt.METHOD_BLOWFISH, rounds=16)))"
            )
            hashed = bases.inside(base, ("python3", "-W", "ignore", "-c", script, self._password()), {}).strip()
            table |= {
                "/etc/docker/registry/config.yml": _CONFIG,
                "/etc/docker/registry/tls.crt": certificate,
                "/etc/docker/registry/tls.key": (self._folder / "tls.key").read_text(),
                "/etc/docker/registry/htpasswd": f"{USER}:{hashed}\n",
                f"{_UNIT}.d/lab.conf": "[Service]\nUser=\nRestart=always\n",
                "/etc/systemd/system/multi-user.target.wants/docker-registry.service": (
                    "-> /lib/systemd/system/docker-registry.service"
                ),
            }
        return table

    def lay_images(self, images: Path) -> None:
        """Put the built images on the first control host's disk, before it boots."""
        target = self._lab.host_folder(self._lab.controls[0]) / "upper" / _ON_HOST.lstrip("/")
        shutil.copytree(images, target, dirs_exist_ok=True)

    def push(self, wait_until: Callable[[Callable[[], str], float], None]) -> None:
        """Push every version of the example's image, once the registry answers."""
        host = self._lab.controls[0]

        def answers() -> str:
            done = machines.call(self._lab, host, ("curl", "-sk", "-o", "/dev/null", f"https://127.0.0.1:{PORT}/v2/"))
            return "" if done.returncode == 0 else "the registry does not answer"

        wait_until(answers, 30.0)
        for version in VERSIONS:
            source, target = f"oci:{_ON_HOST}:web-{version}", f"docker://{ADDRESS}/web:{version}"
            machines.run(self._lab, host, ("skopeo", "copy", "--quiet", source, target))

    def _password(self) -> str:
        return (self._folder / "password").read_text()
