"""HTTPS, with a certificate made for the test."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from pathlib import Path

import httpx
import pytest
from tests.kits.command_line import genco
from tests.kits.running_service import RunningService
from tests.kits.waiting import PATIENCE

from genco.errors import ConfigError
from genco.serving.server import Tls
from genco.storage.runs import RunFolder

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="makes the certificate")


@pytest.fixture
def tls(tmp_path: Path) -> Tls:
    return made(tmp_path, "own")


def made(folder: Path, name: str, *options: str) -> Tls:
    certificate, key = folder / f"{name}.pem", folder / f"{name}.key"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -days 2 -subj /CN=localhost"
    command += f" -addext subjectAltName=IP:127.0.0.1 -keyout {key} -out {certificate}"
    subprocess.run([*command.split(), *(options or ["-nodes"])], check=True, capture_output=True)
    return Tls(certificate, key)


def test_decisions_over_https(pairs_run: RunFolder, tmp_path: Path, tls: Tls) -> None:
    """Who trusts the certificate is answered; who does not, or speaks HTTP, is not."""
    options = ["--tls-cert", tls.certificate, "--tls-key", tls.key]
    running = RunningService(pairs_run.path, str(tmp_path / "store.db"), tmp_path, options)
    trusting = httpx.Client(
        verify=ssl.create_default_context(cafile=tls.certificate), headers=running.client.headers, timeout=PATIENCE
    )
    strange, running.client = running.client, trusting
    with running:
        product = str(pairs_run.read_table("products")["product_id"][0])
        made_ = running.decide(product)
        assert running.report({"event_id": made_["event_id"], "kind": "impression"})[0]["status"] == "accepted"
        assert f"on {running.url}" in running.log() and running.url.startswith("https://")
        with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            strange.get(f"{running.url}/health/live")
        with pytest.raises(httpx.TransportError):
            strange.get(f"{running.url.replace('https', 'http')}/health/live")
    strange.close()


def test_files_that_are_no_certificate_and_key(tmp_path: Path, tls: Tls) -> None:
    """Missing, not PEM, of another certificate, or with a password, which nobody would be there to type."""
    other = made(tmp_path, "other")
    (tmp_path / "no.pem").write_text("no certificate")
    wrong = [(tmp_path / "none.pem", tls.key), (tmp_path / "no.pem", tls.key), (tls.certificate, other.key)]
    for certificate, key in wrong:
        with pytest.raises(ConfigError, match="certificate and its key are expected"):
            Tls(certificate, key)
    with pytest.raises(ConfigError, match="certificate and its key are expected"):
        made(tmp_path, "locked", "-passout", "pass:secret")


def test_one_without_the_other(tmp_path: Path) -> None:
    found = genco("serve", "--run", "run", "--tls-cert", "chain.pem")
    assert found.exit_code == 1 and "given together" in found.output
