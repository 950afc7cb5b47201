"""The programs of others: found, or installed below target/wire, never system-wide but for Debian's packages."""

import os
import pathlib
import shutil
import subprocess
import venv

from moorline import TARGET

HERE = pathlib.Path(__file__).resolve().parent
HOME = TARGET / "wire"
H2SPEC = "github.com/summerwind/h2spec/cmd/h2spec@v2.2.1+incompatible"
PYTHON = {"kosoku": "0.1.0", "sslyze": "6.3.1", "websockets": "17.4"}


class Missing(Exception):
    """A program that cannot be had."""


def run(*command, timeout=300, check=True, **options):
    try:
        return subprocess.run(command, check=check, capture_output=True, text=True, errors="replace", timeout=timeout, **options)
    except FileNotFoundError as error:
        raise Missing(f"{command[0]} is not installed") from error


def debian(program, package):
    if not shutil.which(program):
        quiet = {"env": os.environ | {"DEBIAN_FRONTEND": "noninteractive"}}
        done = run("sh", "-c", f"apt-get update -qq && apt-get install -y -qq {package}", check=False, **quiet)
        if not shutil.which(program):
            raise Missing(f"{program} cannot be installed (package {package}): {done.stderr[-500:]}")
    return program


def go(program, module):
    path = HOME / "bin" / program
    if not path.exists():
        debian("go", "golang-go")
        done = run("go", "install", module, check=False, env=os.environ | {"GOBIN": str(path.parent), "GOFLAGS": ""})
        if not path.exists():
            raise Missing(f"{program} cannot be installed ({module}): {done.stderr[-500:]}")
    return path


def python(program):
    """A program of a Python package in an environment of its own; `python` is its interpreter."""
    folder = HOME / "python"
    path = folder / "bin" / program
    if not path.exists():
        venv.create(folder, with_pip=True, clear=True)
        packages = [f"{name}=={version}" for name, version in PYTHON.items()]
        done = run(folder / "bin" / "python", "-m", "pip", "install", "--quiet", *packages, check=False)
        if not path.exists():
            raise Missing(f"{program} cannot be installed ({', '.join(packages)}): {done.stderr[-500:]}")
    return path

