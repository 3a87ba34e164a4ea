"""Where files live: folders on this machine, and the store that all machines share."""

import io
import sys
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer
from optuna.artifacts.exceptions import ArtifactNotFound

from autoencoder_hpo.errors import DiskError
from autoencoder_hpo.settings import Settings
from autoencoder_hpo.showcase.store import (
    Directory,
    gallery_artifact,
    open_store,
    remove_files,
    stored_files,
    study_directory,
    trial_artifact,
    trial_directory,
)


def test_studies_of_one_name_in_two_databases_keep_apart(settings: Settings) -> None:
    one = trial_directory(settings, "digits", "aa", 3)
    assert one.parent == study_directory(settings, "digits", "aa")
    other = study_directory(settings, "digits", "bb")
    for folder in (one, other):
        folder.mkdir(parents=True)
    store = open_store(settings)
    for uid in ("aa", "bb"):
        store.write(trial_artifact(uid, 3, "restored.png"), io.BytesIO(b"picture"))
    remove_files(settings, "aa", trials=4)
    assert not one.exists()
    assert other.exists()
    left = [file.name for file in (settings.home / "artifacts").iterdir()]
    assert left == [trial_artifact("bb", 3, "restored.png")]
    remove_files(settings, "cc", trials=4)  # nothing there: nothing to do


def of(artifacts: str | None, tmp_path: Path) -> Settings:
    return Settings(tmp_path, None, None, None, artifacts=artifacts)


def test_the_store_is_a_directory_of_home_unless_said(tmp_path: Path) -> None:
    assert open_store(of(None, tmp_path)) == Directory(tmp_path / "artifacts")
    assert open_store(of(f"{tmp_path}/else", tmp_path)) == Directory(tmp_path / "else")


def test_a_directory_keeps_gives_and_forgets(tmp_path: Path) -> None:
    store = Directory(tmp_path / "deep" / "artifacts")
    store.write("one", io.BytesIO(b"1"))
    store.write("one", io.BytesIO(b"2"))
    with store.open_reader("one") as file:
        assert file.read() == b"2"
    assert [file.name for file in store.path.iterdir()] == ["one"]
    store.remove("one")
    with pytest.raises(ArtifactNotFound):
        store.open_reader("one")


class Torn(io.BytesIO):
    """A file whose reading fails half-way, as a disk that fills up fails a writer."""

    def read(self, size: int | None = -1) -> bytes:
        if self.tell():
            raise OSError(28, "No space left on device")
        return super().read(1)


def test_a_torn_write_leaves_what_was_there(tmp_path: Path) -> None:
    store = Directory(tmp_path)
    store.write("one", io.BytesIO(b"whole"))
    with pytest.raises(OSError, match="No space"):
        store.write("one", Torn(b"new content"))
    assert (tmp_path / "one").read_bytes() == b"whole"
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("ftp://pictures", "must be a directory, s3://BUCKET or gs://BUCKET"),
        ("s3://bucket/folder", "write s3://BUCKET, nothing after"),
        ("s3://", "must be a directory|nothing after"),
    ],
)
def test_other_urls_are_refused(url: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(DiskError, match=said):
        open_store(of(url, tmp_path))


def test_ids_are_known_without_asking_and_never_shared() -> None:
    ids = stored_files("aa", 3)
    assert len(set(ids)) == len(ids)
    assert trial_artifact("aa", 2, "restored.png") in ids
    assert gallery_artifact("aa") in ids
    assert not set(ids) & set(stored_files("bb", 3))


# ---- buckets ---------------------------------------------------------------------------


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A bucket of a server that speaks S3 over HTTP, with a client that is none of our doing."""
    server = ThreadedMotoServer(port=0)
    server.start()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.get_host_and_port()[1]}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "anybody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "anything")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    boto3.client("s3").create_bucket(Bucket="pictures")
    yield "s3://pictures"
    server.stop()


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_a_bucket_keeps_gives_and_forgets(bucket: str, tmp_path: Path) -> None:
    store = open_store(of(bucket, tmp_path))
    store.write("one", io.BytesIO(b"1"))
    assert store.open_reader("one").read() == b"1"
    store.remove("one")
    with pytest.raises(ArtifactNotFound):
        store.open_reader("one")
    assert not (tmp_path / "artifacts").exists()


def test_a_bucket_that_cannot_be_opened_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "google.cloud.storage", None)
    with pytest.raises(DiskError, match=r"gs://pictures (needs a library|cannot be used)") as error:
        open_store(of("gs://pictures", tmp_path))
    assert "\n" not in str(error.value)
