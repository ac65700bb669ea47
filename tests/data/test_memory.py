import pytest

from kseg.data import memory
from kseg.data.memory import free_memory

KB = 1024


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A machine with 9000 kB, of which 7000 could be had, and no groups."""
    proc, groups = tmp_path / "proc", tmp_path / "cgroup"
    (proc / "self").mkdir(parents=True)
    (proc / "meminfo").write_text(
        "MemTotal:  9000 kB\nMemFree:  100 kB\nMemAvailable:    7000 kB\n"
    )
    monkeypatch.setattr(memory, "_PROC", proc)
    monkeypatch.setattr(memory, "_CGROUPS", groups)
    return tmp_path


def group(machine, lines, folder, names, limit, usage, files):
    """Puts the process into a group with a limit, or "max"."""
    (machine / "proc" / "self" / "cgroup").write_text(lines)
    folder = machine / "cgroup" / folder
    folder.mkdir(parents=True)
    most, used, inactive = names
    (folder / most).write_text(f"{limit}\n")
    (folder / used).write_text(f"{usage}\n")
    (folder / "memory.stat").write_text(f"anon 5\n{inactive} {files}\nfile 3\n")


def test_caches_that_make_way_count_as_free(machine):
    assert free_memory() == 7000 * KB


@pytest.mark.parametrize("folder", ["", "slurm", "slurm/job_1"])
def test_a_container_of_version_2_or_one_around_it(machine, folder):
    names = memory._VERSION_2
    group(machine, "0::/slurm/job_1\n", folder, names, 5000, 4000, 1500)
    assert free_memory() == 5000 - (4000 - 1500)


def test_a_container_of_version_1(machine):
    lines = "9:cpu:/x\n4:memory:/docker/abc\n1:name=systemd:/x\n"
    names = memory._VERSION_1
    group(machine, lines, "memory/docker/abc", names, 600, 500, 50)
    assert free_memory() == 150


def test_what_is_used_up_is_not_less_than_nothing(machine):
    group(machine, "0::/\n", "", memory._VERSION_2, 100, 300, 0)
    assert free_memory() == 0


def test_no_limit_is_that_of_the_machine(machine):
    group(machine, "0::/\n", "", memory._VERSION_2, "max", 300, 0)
    assert free_memory() == 7000 * KB


def test_another_system_has_memory_too(machine):
    (machine / "proc" / "meminfo").unlink()
    assert free_memory() > 0
