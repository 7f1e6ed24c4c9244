"""In a container: the disk of the device is looked at, and where it cannot be, nothing is judged."""

from pathlib import Path

import pytest

from reconciler.agent.checks.checked import usable
from reconciler.agent.docker_engine.binds import check_binds
from reconciler.agent.host import device_root
from reconciler.agent.host.device_root import VARIABLE, check_root, complaint, reached, root_of
from reconciler.agent.settings.config import load_config
from reconciler.errors import ConfigError, EngineError
from reconciler.model import Mount, Service
from reconciler.planning import CreateContainer, fingerprint

# As a device tells its mounts by its first process (proc_pid_mountinfo(5)).
DEVICE = """\
1 0 0:2 / / rw - rootfs rootfs rw
27 1 254:1 / / rw,relatime shared:1 - ext4 /dev/mmcblk0p2 rw
28 27 254:0 / /boot rw,relatime shared:2 - vfat /dev/mmcblk0p1 rw
"""
OWN = "900 800 0:50 / / ro,relatime - overlay overlay ro\n"
NOT_THERE = "the disk of the device is not mounted there"
NOT_WHOLE = "what is mounted there is not the whole disk of the device"
DEAF = "what the device mounts later would not be seen there"
SETTINGS = """\
apiVersion: fleet/v1
kind: Agent
metadata: {name: press}
spec:
  remote: {url: https://git.example/fleet}
  engine: unix:///var/run/docker.sock
  state: state
  secrets: {folder: secrets}
"""


@pytest.mark.parametrize(
    ("mounted", "told"),
    [
        ("901 900 254:1 / /host ro,relatime master:1 - ext4 /dev/mmcblk0p2 rw", ""),
        ("901 900 254:1 / /host rw,relatime shared:9 master:1 - ext4 /dev/mmcblk0p2 rw", ""),
        ("901 900 254:1 / /host ro,relatime - ext4 /dev/mmcblk0p2 rw", DEAF),
        ("901 900 254:1 /usr /host ro,relatime master:1 - ext4 /dev/mmcblk0p2 rw", NOT_WHOLE),
        ("901 900 254:0 / /host ro,relatime master:1 - vfat /dev/mmcblk0p1 rw", NOT_WHOLE),
        ("901 900 254:1 / /elsewhere ro,relatime master:1 - ext4 /dev/mmcblk0p2 rw", NOT_THERE),
        ("", NOT_THERE),
    ],
)
def test_what_is_mounted_must_be_the_whole_disk_of_the_device(mounted: str, told: str) -> None:
    assert complaint("/host", f"{OWN}{mounted}\n", DEVICE) == told


def test_of_several_mounts_at_one_place_the_last_one_counts() -> None:
    good = "901 900 254:1 / /host ro master:1 - ext4 /dev/mmcblk0p2 rw\n"
    assert complaint("/host", f"{OWN}{good}902 901 0:60 / /host rw - tmpfs tmpfs rw\n", DEVICE) == NOT_WHOLE


def test_a_part_of_a_file_system_may_be_the_whole_of_a_device() -> None:
    """A subvolume, or one of several systems on a disk."""
    device = "27 1 0:22 /@ / rw shared:1 - btrfs /dev/sda1 rw\n"
    assert complaint("/host", "901 900 0:22 /@ /host ro master:1 - btrfs /dev/sda1 rw\n", device) == ""
    assert complaint("/host", "901 900 0:22 / /host ro master:1 - btrfs /dev/sda1 rw\n", device) == NOT_WHOLE


def test_out_of_a_container_there_is_nothing_to_see_to(tmp_path: Path) -> None:
    assert root_of({}) == Path("/")
    check_root(Path("/"), [tmp_path / "none"])


@pytest.mark.parametrize("told", ["", "host", "./host"])
def test_a_root_that_is_no_path_is_refused_and_not_taken_for_none(told: str) -> None:
    with pytest.raises(ConfigError, match="no absolute path"):
        root_of({VARIABLE: told})


def test_nothing_mounted_is_refused_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"not mounted there; start the container with `--volume /:/"):
        check_root(tmp_path, ())


@pytest.fixture
def mounted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The disk of a device, as if it were mounted."""
    root = tmp_path / "host"
    (root / "proc/1").mkdir(parents=True)
    (root / device_root._OF_DEVICE).write_text(DEVICE)
    ours = tmp_path / "mountinfo"
    ours.write_text(f"{OWN}901 900 254:1 / {root} ro,relatime master:1 - ext4 /dev/mmcblk0p2 rw\n")
    monkeypatch.setattr(device_root, "_OURS", ours)
    return root


def test_our_folders_must_be_those_of_the_device(mounted: Path, tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir()
    for is_there in (False, True):
        if is_there:
            Path(f"{mounted}{state}").mkdir(parents=True)
        with pytest.raises(ConfigError, match="it is not the folder that the device has there"):
            check_root(mounted, [state])


def test_a_folder_may_be_reached_by_a_link_of_the_device_and_be_made_later(mounted: Path, tmp_path: Path) -> None:
    (mounted / "data/state").mkdir(parents=True)
    (tmp_path / "ours").mkdir()
    place = Path(f"{mounted}{tmp_path}/ours")
    place.parent.mkdir(parents=True)
    place.symlink_to("/data")
    # As a mount: one folder by two paths.
    state = tmp_path / "ours/state"
    state.symlink_to(mounted / "data/state")
    check_root(mounted, [state, state / "yet/to/be/made"])


def test_settings_are_of_use_only_where_the_device_is_seen(mounted: Path, tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(SETTINGS)
    (mounted / "run").mkdir()
    (mounted / "var").mkdir()
    (mounted / "var/run").symlink_to("/run")
    found = load_config(path, {VARIABLE: str(mounted)})
    assert found.engine == f"unix://{mounted}/run/docker.sock"
    (mounted / "only-there").symlink_to("/etc")
    assert found.real("/only-there/x") == "/etc/x"
    assert load_config(path, {}).engine == "unix:///var/run/docker.sock"
    assert usable(path).root == Path("/")


def test_what_a_bind_needs_is_looked_for_on_the_device(mounted: Path) -> None:
    mount = Mount("bind", "/data", "/srv/data", selinux="z")
    service = Service("web", "box:1", "shop-web-1", mounts=(mount,))
    step = CreateContainer("shop", "shop/web", "", service, "shop-web-1", fingerprint(service))
    with pytest.raises(EngineError, match="bind source path does not exist: /srv/data"):
        check_binds(step, mounted)
    (mounted / "disk/data").mkdir(parents=True)
    (mounted / "srv").symlink_to("/disk")
    check_binds(step, mounted)


@pytest.mark.parametrize("engine", ["tcp://10.0.0.1:2376", "ssh://root@press"])
def test_an_engine_that_is_reached_by_no_socket_is_reached_as_ever(engine: str) -> None:
    assert reached(engine, Path("/host")) == engine
