"""Real models that lie beside the repository, where they do."""

from pathlib import Path

SHARED_MODELS = Path(__file__).resolve().parents[2] / "shared" / "models"


def shared_models(pattern="*"):
    """Files and folders of models, sorted; none where that folder is absent."""
    return sorted(path for path in SHARED_MODELS.glob(pattern) if path.suffix != ".md")
