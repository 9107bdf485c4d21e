"""A server that speaks S3: a stand-in for AWS. `make endurance` installs what it needs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

import pytest

HAS_S3 = all(find_spec(name) for name in ("s3fs", "boto3", "moto"))


@contextmanager
def s3_bucket(name: str) -> Iterator[str]:
    """The URL of a new bucket, on a server of its own."""
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    known = {"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "key"}
    known["AWS_ENDPOINT_URL"] = "http://{}:{}".format(*server.get_host_and_port())
    with pytest.MonkeyPatch.context() as patch:
        for variable, value in {**known, "AWS_DEFAULT_REGION": "us-east-1"}.items():
            patch.setenv(variable, value)
        boto3.client("s3").create_bucket(Bucket=name)
        yield f"s3://{name}"
    server.stop()
