"""What a job reads travels by content, is checked where it arrives, and leads nowhere else."""

import hashlib

import msgspec
import pytest

from edgeprune.errors import DeviceError, ModelError
from edgeprune.farm.dask import file_cache, parcels
from edgeprune.farm.dask.file_cache import FileCache
from edgeprune.farm.dask.messages import File, Parcel, Piece
from edgeprune.farm.dask.parcels import Packer, faults, pieces, unpacked
from edgeprune.farm.job import Job, Kind
from edgeprune.load.digest import digest_of


def job_of(model, recipe="auto", **options):
    return Job(0, Kind.MEASURE, str(model), digest_of(model), recipe, "rpi4", None, options=options)


def sent(packer, packed, cache):
    """Sends what a host lacks; how many files that were."""
    files = {file.sha256: file for parcel in packed for file in parcel.files}
    lacking = cache.lacking(files)
    for sha256 in lacking:
        for offset, content in pieces(packer.sources[sha256]):
            cache.take(Piece(sha256, files[sha256].size, offset), content)
    return len(lacking)


def test_a_job_arrives_with_all_that_it_reads(tmp_path, monkeypatch):
    monkeypatch.setattr(parcels, "PIECE_BYTES", 3)
    saved = tmp_path / "here" / "net"
    (saved / "variables").mkdir(parents=True)
    (saved / "saved_model.pb").write_bytes(b"graph")
    (saved / "variables" / "data").write_bytes(b"0123456789")
    (saved / "empty").touch()
    (tmp_path / "fast.toml").write_text("[measure]")
    (tmp_path / "x.npz").write_bytes(b"data")
    job = job_of(saved, str(tmp_path / "fast.toml"), data=str(tmp_path / "x.npz"), sparsity=0.5)
    packer, cache = Packer(), FileCache(tmp_path / "cache")
    packed = packer.parcels(job)
    assert faults(packed) == "" and sent(packer, packed, cache) == 5
    assert sent(packer, packed, cache) == 0, "what is there is not sent again"
    cache.lay(packed, tmp_path / "there")
    there = unpacked(job, packed, tmp_path / "there")
    assert digest_of(tmp_path / "there" / "model" / "net") == job.model_sha256
    assert there.model_path == str(tmp_path / "there" / "model" / "net")
    assert there.recipe == str(tmp_path / "there" / "recipe" / "fast.toml")
    assert there.options == {"data": str(tmp_path / "there" / "data" / "x.npz"), "sparsity": 0.5}


def test_data_that_is_a_function_and_recipes_by_name_stay_as_they_are(tmp_path):
    (tmp_path / "net.tflite").write_bytes(b"net")
    job = job_of(tmp_path / "net.tflite", data="lab.data:load")
    packed = Packer().parcels(job)
    assert [parcel.use for parcel in packed] == ["model"]
    assert unpacked(job, packed, tmp_path).options == {"data": "lab.data:load"}


def test_what_is_measured_again_is_on_the_host_already(tmp_path):
    again = Job(0, Kind.CONFIRM, "/gone.tflite", "", "auto", "rpi4", None)
    assert Packer().parcels(again) == () and faults((), Kind.CONFIRM) == ""
    assert unpacked(again, (), tmp_path).model_path == "/gone.tflite"


def test_too_much_is_not_sent(tmp_path, monkeypatch):
    (tmp_path / "net.tflite").write_bytes(b"12345")
    monkeypatch.setattr(parcels, "MAX_BYTES", 4)
    with pytest.raises(ModelError, match="can be sent to another host"):
        Packer().parcels(job_of(tmp_path / "net.tflite"))


def test_a_file_that_changed_on_its_way_is_refused(tmp_path):
    cache = FileCache(tmp_path / "cache")
    digest = hashlib.sha256(b"right").hexdigest()
    with pytest.raises(DeviceError, match="changed on its way"):
        cache.take(Piece(digest, 5, 0), b"wrong")
    with pytest.raises(DeviceError, match="out of order"):
        cache.take(Piece(digest, 5, 2), b"ght")
    with pytest.raises(DeviceError, match="out of order"):
        cache.take(Piece(digest, 5, 0), b"right and more")
    assert cache.lacking([digest]) == [digest]
    cache.take(Piece(digest, 5, 0), b"ri")
    cache.take(Piece(digest, 5, 2), b"ght")
    assert cache.lacking([digest]) == []


def test_a_file_that_was_damaged_in_the_cache_is_not_used(tmp_path):
    (tmp_path / "net.tflite").write_bytes(b"net")
    packer, cache = Packer(), FileCache(tmp_path / "cache")
    packed = packer.parcels(job_of(tmp_path / "net.tflite"))
    with pytest.raises(DeviceError, match="not here"):
        cache.lay(packed, tmp_path / "there")
    sent(packer, packed, cache)
    (stored,) = (tmp_path / "cache").iterdir()
    stored.write_bytes(b"bad")
    with pytest.raises(DeviceError, match="changed"):
        cache.lay(packed, tmp_path / "elsewhere")
    assert sent(packer, packed, cache) == 1, "it is sent anew"


def test_the_cache_forgets_what_was_used_longest_ago(tmp_path, monkeypatch):
    monkeypatch.setattr(file_cache, "MAX_KEPT_BYTES", 5)
    monkeypatch.setattr(file_cache, "_IN_USE_S", -1.0)
    cache, digests = FileCache(tmp_path / "cache"), []
    for content in (b"one", b"two"):
        digests.append(hashlib.sha256(content).hexdigest())
        cache.take(Piece(digests[-1], 3, 0), content)
    assert cache.lacking(digests) == digests[:1]


@pytest.mark.parametrize(
    "name", ["../x", "/etc/x", "a/../../x", "", ".", "a\0b", "..", "a/..", "x/\0"]
)
def test_names_that_lead_elsewhere_are_refused(name):
    file = File("net.tflite", "0" * 64, 1)
    assert faults((Parcel("model", name, True, (file,)),))
    assert faults((Parcel("model", "net", True, (File(name, "0" * 64, 1),)),))


def test_parcels_that_are_no_job_are_refused():
    file = File("net.tflite", "0" * 64, 1)
    model = Parcel("model", "net.tflite", False, (file,))
    assert faults((model,)) == ""
    assert faults(()) and faults((model, model)) and faults((model, Parcel("x", "y", True, ())))
    assert faults((Parcel("model", "other", False, (file,)),))


def test_a_digest_that_is_none_is_refused():
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(b'{"name": "x", "sha256": "../../etc", "size": 1}', type=File)
