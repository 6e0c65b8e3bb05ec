"""Both object stores keep the same promises; s3:// is tried on a server that speaks S3."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer

from flows.errors import ServiceUnavailable, SettingsError
from flows.layout import folder, partition_key, quarantine_key, snapshot_key
from flows.nightly import night
from flows.object_store import FileStore, ObjectStore, S3Store, open_store, scratch
from flows.progress import silent
from flows.settings import Settings
from tests.shops import DAY, make_shop

STRANGE = ["a/ü/日本.parquet", "a/with space/%2F+&=.json", "a/b/c/d/e.parquet", "plain"]


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """Address of an S3 server on loopback with the bucket `night`."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        _to_server(patch, f"http://{host}:{port}")
        boto3.client("s3").create_bucket(Bucket="night")
    yield f"http://{host}:{port}"
    server.stop()


def _to_server(patch: pytest.MonkeyPatch, endpoint: str) -> None:
    named = {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": "/nonexistent",
        "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent",
    }
    for name, value in named.items():
        patch.setenv(name, value)


@pytest.fixture(params=["file", "s3", "s3 without prefix"])
def store(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ObjectStore:
    """An empty store of each kind."""
    if request.param == "file":
        return open_store((tmp_path / "a folder").as_uri(), tmp_path / "cache")
    _to_server(monkeypatch, request.getfixturevalue("s3"))
    found = open_store("s3://night" if "without" in request.param else f"s3://night/{tmp_path.name}/ü x", tmp_path / "cache")
    found.delete(found.keys(""))
    return found


def test_put_get_list_delete(store: ObjectStore) -> None:
    """What is put is got, fetched and listed in order, whatever its key; deleted, it is gone."""
    for number, key in enumerate(STRANGE):
        store.put(key, b"\x00\xff" * number)
    assert store.keys("") == sorted(STRANGE)
    assert store.keys("a/") == sorted(STRANGE[:3])
    assert store.keys("a/b") == ["a/b/c/d/e.parquet"]
    for number, key in enumerate(STRANGE):
        assert store.get(key) == b"\x00\xff" * number
        assert store.fetch(key).read_bytes() == b"\x00\xff" * number
    store.delete([*STRANGE[1:], "never there"])
    assert store.keys("") == STRANGE[:1]
    assert store.get("plain") is None


def test_what_is_not_there(store: ObjectStore) -> None:
    """get gives None, fetch raises FileNotFoundError, listing gives nothing, deleting nothing is no error."""
    assert store.get("no/such.json") is None
    with pytest.raises(FileNotFoundError, match=r"no/such\.json"):
        store.fetch("no/such.json")
    assert store.keys("no/") == []
    assert store.keys("no") == []
    store.delete([])


def test_a_second_put_replaces_also_what_was_fetched(store: ObjectStore) -> None:
    """The newest content is read, though the older one was fetched before."""
    store.put("features/x.parquet", b"old")
    assert store.fetch("features/x.parquet").read_bytes() == b"old"
    store.put("features/x.parquet", b"new")
    assert store.get("features/x.parquet") == b"new"
    assert store.fetch("features/x.parquet").read_bytes() == b"new"


def test_deleting_more_than_one_request_holds(store: ObjectStore) -> None:
    """More keys than S3 takes at once, none of which need exist."""
    store.put("many/last", b"x")
    store.delete([*(f"many/{number}" for number in range(1500)), "many/last"])
    assert store.keys("many/") == []


def test_a_deleted_key_cannot_be_fetched(store: ObjectStore) -> None:
    """A local copy goes with its key."""
    store.put("a/x", b"1")
    store.fetch("a/x")
    store.delete(["a/x"])
    with pytest.raises(FileNotFoundError):
        store.fetch("a/x")


def test_listing_goes_beyond_one_page(store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """More keys than one S3 answer holds (here two) are all listed."""
    monkeypatch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", "2")
    wanted = [f"p/{number}" for number in range(7)]
    for key in wanted:
        store.put(key, b"")
    assert store.keys("p/") == wanted


def test_a_put_that_is_cut_off_leaves_the_old_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed before the rename, the key keeps what it had, and what is left lying is listed by nobody."""
    store = FileStore(tmp_path)
    store.put("a/x.json", b"old")

    def killed(self: Path, target: Path) -> Path:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Path, "replace", killed)
        store.put("a/x.json", b"new")
    assert store.get("a/x.json") == b"old"
    assert store.keys("a/") == ["a/x.json"]
    store.put("a/x.json", b"new")
    assert store.get("a/x.json") == b"new"


@pytest.mark.parametrize(
    "uri", ["", "snapshots", "/srv/snapshots", "http://host/x", "s3://", "s3:///prefix", "gs://bucket", "file:", "file://host/x"]
)
def test_another_address_is_refused(uri: str, tmp_path: Path) -> None:
    """What is neither a file:/// nor an s3:// address is a sentence that shows it."""
    with pytest.raises(SettingsError, match=r"SNAPSHOT_URI is '.*': give file://FOLDER \(absolute\) or s3://BUCKET/PREFIX"):
        open_store(uri, tmp_path)


def test_a_path_is_percent_decoded(tmp_path: Path) -> None:
    """A folder with spaces is named by its URI, not created as %20."""
    store = open_store((tmp_path / "with space").as_uri(), tmp_path)
    store.put("x", b"1")
    assert (tmp_path / "with space" / "x").read_bytes() == b"1"


def test_a_bucket_that_is_away_is_one_sentence(s3: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bucket that does not exist, and a server that does not answer, are ServiceUnavailable in every operation."""
    _to_server(monkeypatch, s3)
    missing = S3Store("no-such-bucket", "", tmp_path)
    _to_server(monkeypatch, "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    away = S3Store("night", "", tmp_path)
    away.client = boto3.client("s3")
    for store in (missing, away):
        for operation in (lambda s: s.put("x", b""), lambda s: s.get("x"), lambda s: s.keys(""), lambda s: s.delete(["x"])):
            with pytest.raises(ServiceUnavailable, match=r"The object store s3://.* cannot be used"):
                operation(store)


def test_a_company_is_one_folder() -> None:
    """Any id is one name of a folder below the root, and no two ids share one."""
    ids = ["shop", "a/b", "../up", ".", "..", "...", "", "%", "%.", "%2E", "a b", "ü", "A", "a%2Fb", "\\", "C:", "*"]
    folders = [folder(company) for company in ids]
    assert len(set(folders)) == len(ids)
    assert all("/" not in name and name not in ("", ".", "..") for name in folders)


def test_keys_of_a_company_stay_below_its_folder(tmp_path: Path) -> None:
    """Every key of a company begins with its folder, and its quarantine lies beside its partitions."""
    for company in ("..", "a/b"):
        key = partition_key(company, "views", "2026-05-01", "0123")
        assert quarantine_key(key).split("/")[:3] == [folder(company), "quarantine", "views"]
        FileStore(tmp_path / "root").put(key, b"")
        FileStore(tmp_path / "root").put(snapshot_key(company, DAY), b"")
    assert [path.name for path in tmp_path.iterdir()] == ["root"]


def test_scratch_leaves_nothing() -> None:
    """A step's intermediate files are gone with the step."""
    with scratch() as name:
        (Path(name) / "x").write_text("1")
    assert not Path(name).exists()


def test_a_night_over_s3_is_the_night_over_files(settings: Settings, s3: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Extracted, derived, trained and published over s3://, a shop has the same generation as over file://, and a second night
    finds the first one's partitions."""
    _to_server(monkeypatch, s3)
    make_shop(settings, "shop", ["abc", "ab"] * 5)
    until = DAY + timedelta(days=1)
    [over_files] = night(settings, ["shop"], until, silent)
    remote = replace(settings, snapshot_uri="s3://night/nightly", local_dir=settings.local_dir / "elsewhere")
    [over_s3] = night(remote, ["shop"], until, silent)
    assert over_s3.error is None and over_s3.generation == over_files.generation
    [again] = night(remote, ["shop"], until, silent)
    assert again.generation == over_s3.generation
