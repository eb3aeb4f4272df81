"""The agent with every supported release of the runtime, on the emulated board."""

import emulated
import nets
import numpy as np
import pytest

from edgeprune import verify
from edgeprune.prediction.xnnpack.releases import RELEASES


@pytest.mark.device
@pytest.mark.parametrize(
    "version", [v for release in RELEASES.values() for v in (release.first, release.last)]
)
def test_every_release_runs_one_model_after_another_right(version, tmp_path):
    files = [nets.eligible(size=size) for size in (16, 24)]
    with emulated.agent() as session:
        for k, tflite in enumerate([*files, *files]):
            path = tmp_path / f"{k}.tflite"
            path.write_bytes(tflite)
            samples = verify.sample_inputs(tflite, None, 2)
            session.load(emulated.library(version), str(path), profile=True)
            found = session.infer(samples)
            assert emulated.difference(found, verify.reference_outputs(tflite, samples)) < 1e-5
            tags = session.profile().tags
            assert any(tag.startswith("Fully Connected (NC, F32) GEMM") for tag in tags)
            assert np.isfinite(found[0][0]).all()
