import subprocess
import sys

import pytest
import torch

from companion import size


def test_the_default_size_is_laptop(monkeypatch):
    monkeypatch.delenv("COURSE_SIZE", raising=False)
    assert size.current_size() == "laptop"
    monkeypatch.setenv("COURSE_SIZE", "")
    assert size.current_size() == "laptop"


@pytest.mark.parametrize("name", ["smoke", "laptop", "gpu"])
def test_the_environment_chooses_the_size(monkeypatch, name):
    monkeypatch.setenv("COURSE_SIZE", name)
    assert size.current_size() == name


def test_an_unknown_size_is_named_with_the_choices(monkeypatch):
    monkeypatch.setenv("COURSE_SIZE", "huge")
    with pytest.raises(ValueError, match=r"'huge'.*smoke, laptop, gpu"):
        size.current_size()


@pytest.mark.parametrize(("cuda", "expected"), [(True, "cuda"), (False, "cpu")])
def test_cuda_is_used_when_it_is_there(monkeypatch, cuda, expected):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    assert size.device() == torch.device(expected)


def test_the_shared_rooms_import_without_torch():
    code = (
        "import sys; from companion import cache, checkpoint, figures, players, progress, seeds, "
        "size; assert 'torch' not in sys.modules and 'matplotlib' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
