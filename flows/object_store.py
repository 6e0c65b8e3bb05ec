"""Parquet files and manifests on file:// or s3://: put, get, list. A key names immutable content or one small manifest."""

from __future__ import annotations

import io
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit

import polars as pl

from flows.errors import ServiceUnavailable, SettingsError


class ObjectStore(Protocol):
    """What a step needs of a store. Keys are relative and slash-separated; a put is all or nothing."""

    def put(self, key: str, content: bytes) -> None:
        """Write `content` under `key`, replacing what stood there."""

    def get(self, key: str) -> bytes | None:
        """The content of `key`, or None where there is none."""

    def fetch(self, key: str) -> Path:
        """A local file with the content of `key`. Raises FileNotFoundError where there is none."""

    def keys(self, prefix: str) -> list[str]:
        """All keys that start with `prefix`, sorted."""

    def delete(self, keys: list[str]) -> None:
        """Remove keys; one that is not there is no error."""


def open_store(uri: str, cache: Path) -> ObjectStore:
    """The store at `uri`; `cache` is where an s3:// store keeps local copies.

    Raises SettingsError for another scheme.
    """
    parts = urlsplit(uri)
    if parts.scheme == "file" and not parts.netloc and parts.path:
        return FileStore(Path(unquote(parts.path)))
    if parts.scheme == "s3" and parts.netloc:
        return S3Store(parts.netloc, parts.path.strip("/"), cache)
    raise SettingsError(f"SNAPSHOT_URI is {uri!r}: give file://FOLDER (absolute) or s3://BUCKET/PREFIX.")


class FileStore:
    """A folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def put(self, key: str, content: bytes) -> None:
        path = self.root / key
        # written beside its place and renamed, so that a killed run leaves no half file under the key
        half = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            half.write_bytes(content)
        except FileNotFoundError:
            path.parent.mkdir(parents=True, exist_ok=True)
            half.write_bytes(content)
        half.replace(path)

    def get(self, key: str) -> bytes | None:
        path = self.root / key
        return path.read_bytes() if path.exists() else None

    def fetch(self, key: str) -> Path:
        path = self.root / key
        if not path.exists():
            raise FileNotFoundError(key)
        return path

    def keys(self, prefix: str) -> list[str]:
        folder = self.root / prefix.rpartition("/")[0]
        found = (str(path.relative_to(self.root)) for path in folder.rglob("*") if path.is_file() and path.name[0] != ".")
        return sorted(key for key in found if key.startswith(prefix))

    def delete(self, keys: list[str]) -> None:
        for key in keys:
            (self.root / key).unlink(missing_ok=True)


class S3Store:
    """A prefix of a bucket. boto3 reads credentials, region and AWS_ENDPOINT_URL from the environment and retries."""

    def __init__(self, bucket: str, prefix: str, cache: Path) -> None:
        import boto3  # slow to import, and only an s3:// store needs it
        from botocore.config import Config

        self.bucket = bucket
        self.prefix = f"{prefix}/" if prefix else ""
        self.cache = cache / bucket / prefix
        self.client: Any = boto3.client("s3", config=Config(retries={"mode": "standard", "total_max_attempts": 5}))

    def put(self, key: str, content: bytes) -> None:
        self._call("put_object", Key=self.prefix + key, Body=content)
        # the features of a watermark are derived again under the same key
        (self.cache / key).unlink(missing_ok=True)

    def get(self, key: str) -> bytes | None:
        with self._reached():
            try:
                return bytes(self.client.get_object(Bucket=self.bucket, Key=self.prefix + key)["Body"].read())
            except self.client.exceptions.NoSuchKey:
                return None

    def fetch(self, key: str) -> Path:
        path = self.cache / key
        if not path.exists():
            content = self.get(key)
            if content is None:
                raise FileNotFoundError(key)
            FileStore(self.cache).put(key, content)
        return path

    def keys(self, prefix: str) -> list[str]:
        with self._reached():
            pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=self.prefix + prefix)
            return sorted(row["Key"].removeprefix(self.prefix) for page in pages for row in page.get("Contents", []))

    def delete(self, keys: list[str]) -> None:
        for start in range(0, len(keys), 1000):
            rows = [{"Key": self.prefix + key} for key in keys[start : start + 1000]]
            self._call("delete_objects", Delete={"Objects": rows, "Quiet": True})
            for key in keys[start : start + 1000]:
                (self.cache / key).unlink(missing_ok=True)

    def _call(self, operation: str, **arguments: Any) -> None:
        with self._reached():
            getattr(self.client, operation)(Bucket=self.bucket, **arguments)

    @contextmanager
    def _reached(self) -> Iterator[None]:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            yield
        except (BotoCoreError, ClientError) as error:
            raise ServiceUnavailable(
                f"The object store s3://{self.bucket} cannot be used ({error}): check SNAPSHOT_URI, AWS_ENDPOINT_URL and the "
                "credentials, then run the same command again."
            ) from error


def scratch() -> tempfile.TemporaryDirectory[str]:
    """A folder for a step's intermediate files, gone with the step."""
    return tempfile.TemporaryDirectory(prefix="upsell-")


def parquet_bytes(frame: pl.DataFrame) -> bytes:
    """A frame as one Parquet file; the same frame gives the same bytes."""
    buffer = io.BytesIO()
    frame.write_parquet(buffer, compression="zstd", compression_level=1, statistics=False)
    return buffer.getvalue()
