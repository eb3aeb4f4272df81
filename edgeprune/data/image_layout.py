"""How a folder of images is laid out: its parts, its classes, and the images of each."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from edgeprune.data.folder_listing import Listing, counted, deep_listing, listing, named
from edgeprune.data.part_names import holds_part, part_of
from edgeprune.errors import ModelError

_WANTED = "expected one per class, with its images"

_MASKS = frozenset(
    "mask masks label labels annotation annotations segmentation segmentations segmentationclass "
    "segmentationobject groundtruth ground_truth gt targets".split()
)
_PICTURES = frozenset("image images img imgs jpegimages pictures photos".split())


@dataclass(frozen=True)
class Layout:
    """Images by part and class.

    Attributes:
        classes: Names in alphabetical order; a class's number is its place.
        train: Images of each class to train on; empty where the folder says none.
        test: Images of each class to score with; empty where the folder says none.
        val: Images of each class to hold out in training; empty where the folder says none.
        train_name: What the folder calls the first part; empty where there are no parts.
        test_name: What it calls the second.
        val_name: What it calls the third.
        notes: What was left out or taken for something, one line each.
    """

    classes: tuple[str, ...]
    train: tuple[tuple[Path, ...], ...] = ()
    test: tuple[tuple[Path, ...], ...] = ()
    val: tuple[tuple[Path, ...], ...] = ()
    train_name: str = ""
    test_name: str = ""
    val_name: str = ""
    notes: tuple[str, ...] = ()


@dataclass
class _Part:
    """One part under the eye: its classes and their images."""

    name: str
    images: dict[str, tuple[Path, ...]] = field(default_factory=dict)
    others: Counter[str] = field(default_factory=Counter)
    loose: int = 0


def layout(folder: Path) -> Layout:
    """Looks at a folder of images; no image is opened.

    It holds a folder per class, or such folders within folders called train, validation and test,
    or like that (:mod:`edgeprune.data.part_names`). Validation is the test part where there is no
    other.

    Raises:
        ModelError: It cannot be told what is what, a class has no images, or parts have different
            classes.
    """
    top = listing(folder)
    parts, notes = _parts(folder, top)
    if not parts:
        whole = _part(folder, "")
        images = tuple(whole.images.values())
        return Layout(tuple(whole.images), images, notes=(*notes, *_ignored([whole])))
    chosen = dict(parts)
    if "test" not in chosen and "val" in chosen:
        chosen["test"] = chosen.pop("val")
        notes.append(f"there is no folder test: {chosen['test'].name} is scored in its place")
    elif "val" in chosen and "train" not in chosen:
        notes.append(f"{chosen.pop('val').name} is set aside: there is no folder train")
    elif "val" in chosen:
        notes.append(
            f"{chosen['val'].name} is held out in training, and {chosen['test'].name} is scored"
        )
    train, val, test = (
        _part(chosen[role], chosen[role].name) if role in chosen else _Part("")
        for role in ("train", "val", "test")
    )
    first = train if train.images else test
    for other in (val, test):
        if other.images:
            _check_same(folder, first, other)
    return Layout(
        tuple(first.images),
        train=tuple(train.images.values()),
        test=tuple(test.images.values()),
        val=tuple(val.images.values()),
        train_name=train.name,
        test_name=test.name,
        val_name=val.name,
        notes=(*notes, *_ignored([train, test, val])),
    )


def _parts(folder: Path, top: Listing) -> tuple[dict[str, Path], list[str]]:
    """Part to its folder, and notes; no parts where the folders are classes.

    Raises:
        ModelError: As :func:`layout`.
    """
    roles = {path: role for path in top.folders if (role := part_of(path.name)) is not None}
    rest = [path for path in top.folders if path not in roles]
    if not roles:
        _check_no_hidden_parts(folder, rest)
        return {}, []
    flat = [path for path in roles if not listing(path).folders]
    if rest and flat == list(roles) and set(roles.values()) == {"train"}:
        return {}, [f"{flat[0].name} is taken for a class: it holds images and no folders"]
    notes = _beside(folder, list(roles), rest)
    if flat:
        raise ModelError(
            f"{folder}: {named(path.name for path in flat)} holds no folders: {_WANTED} (a class "
            "of that name must be called otherwise)"
        )
    found: dict[str, Path] = {}
    for path, role in roles.items():
        if role in found:
            raise ModelError(
                f"{folder}: {found[role].name} and {path.name} are both the part {role}: leave one"
            )
        found[role] = path
    return found, notes


def _beside(folder: Path, parts: list[Path], rest: list[Path]) -> list[str]:
    """Folders that lie beside the parts: none of them may hold images."""
    with_images = [path.name for path in rest if deep_listing(path).images]
    if with_images:
        raise ModelError(
            f"{folder}: holds parts ({named(path.name for path in parts)}) and beside them "
            f"{named(with_images)} with images: move those into the parts, or out of the folder "
            "(a class that is called like a part must be called otherwise)"
        )
    return [f"ignored {named(p.name for p in rest)}: no images in there"] if rest else []


def _check_no_hidden_parts(folder: Path, folders: list[Path]) -> None:
    """Refuses ``seg_train`` and ``seg_test`` as names of classes."""
    meant = {path.name: role for path in folders if (role := holds_part(path.name)) is not None}
    if len(set(meant.values())) > 1:
        raise ModelError(
            f"{folder}: {named(meant)} look like the parts of a data set, not like classes: call "
            f"them {' and '.join(dict.fromkeys(meant.values()))}"
        )


def _part(folder: Path, name: str) -> _Part:
    """The classes of one part.

    Raises:
        ModelError: As :func:`layout`.
    """
    here = listing(folder)
    _check_classes(folder, here)
    part = _Part(name, others=here.others, loose=len(here.images))
    empty = []
    for path in here.folders:
        inner = {role for one in listing(path).folders if (role := part_of(one.name))}
        if len(inner) > 1:
            raise ModelError(
                f"{path}: holds the parts {' and '.join(sorted(inner))}: they must lie above the "
                f"classes, as {sorted(inner)[-1]}/{path.name}"
            )
        deep = deep_listing(path)
        part.images[path.name] = tuple(deep.images)
        part.others += deep.others
        if not deep.images:
            others = f" (but {counted(deep.others)})" if deep.others else ""
            empty.append(f"{path.name}{others}")
    if empty:
        raise ModelError(
            f"{folder}: holds no images in {named(empty)}: a class needs some; remove the folder "
            "if it is no class"
        )
    return part


def _check_classes(folder: Path, here: Listing) -> None:
    """Checks that the folders in a folder may be classes."""
    names = {path.name.casefold() for path in here.folders}
    if names & _MASKS and names & _PICTURES:
        raise ModelError(
            f"{folder}: holds {named(path.name for path in here.folders)}: masks and boxes are not "
            "read from folders; give an .npz file or package.module:function"
        )
    if not here.folders:
        loose = f", and {len(here.images):,} images lie directly in it" if here.images else ""
        raise ModelError(f"{folder}: holds no folders: {_WANTED}{loose}")
    if len(here.folders) == 1:
        only = here.folders[0]
        hint = f"; did you mean {only}?" if listing(only).folders else ""
        raise ModelError(f"{folder}: holds one folder, {only.name}: {_WANTED}{hint}")


def _check_same(folder: Path, train: _Part, test: _Part) -> None:
    """Checks that two parts have the same classes."""
    missing = []
    for one, other in ((train, test), (test, train)):
        only = [name for name in one.images if name not in other.images]
        if only:
            missing.append(f"{named(only)} only in {one.name}")
    if missing:
        raise ModelError(
            f"{folder}: {train.name} and {test.name} have different classes: {'; '.join(missing)}"
        )


def _ignored(parts: list[_Part]) -> list[str]:
    """Lines about files that are of no use, if there are some."""
    others = sum((part.others for part in parts), Counter[str]())
    loose = sum(part.loose for part in parts)
    notes = [f"ignored files that are no images: {counted(others)}"] if others.total() else []
    return notes + ([f"ignored images beside the folders of classes: {loose:,}"] if loose else [])
