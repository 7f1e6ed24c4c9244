"""Labels of a device that is in the fleet already: into its file, beside what people wrote there; or a word why not."""

import subprocess

import pytest
from fleet_desk import Answer, FleetDesk, device
from joining import Site

from lab.git_server import GitServer
from lab.operator import Operator
from reconciler.errors import ReconcilerError
from reconciler.fleet.device_text import with_labels
from signing import Signer, load_signer

HEAD = "apiVersion: fleet/v1\nkind: Device\n"
SPEC = "spec:\n  identity: ssh-ed25519 AAAA  # its key\n"
BOTH = {"site": "south", "gpu": "no"}

# The metadata of a file, and what they become with BOTH.
MERGED = {
    "a block, and comments stay": (
        "metadata:\n  name: d1  # hall 3\n  labels:\n    # as on the map\n    site: north  # soon south\n"
        "    line: '7'\n  # the end\n",
        "metadata:\n  name: d1  # hall 3\n  labels:\n    # as on the map\n    site: south  # soon south\n"
        "    line: '7'\n    gpu: 'no'\n  # the end\n",
    ),
    "in braces": (
        "metadata: {name: d1, labels: {line: 7, site: north}}  # hall 3\n",
        "metadata: {name: d1, labels: {gpu: 'no', line: 7, site: south}}  # hall 3\n",
    ),
    "braces below a block": (
        "metadata:\n  labels: {'site': \"north\"}\n  name: d1\n",
        "metadata:\n  labels: {gpu: 'no', 'site': south}\n  name: d1\n",
    ),
    "no labels, in a block": (
        "metadata:\n    name: d1  # hall 3\n",
        "metadata:\n    name: d1  # hall 3\n    labels:\n      site: south\n      gpu: 'no'\n",
    ),
    "no labels, in braces": (
        "metadata: {name: 'd1'}\n",
        "metadata: {name: 'd1', labels: {gpu: 'no', site: south}}\n",
    ),
    "empty braces": (
        "metadata: {labels: {}, name: d1}\n",
        "metadata: {labels: {gpu: 'no', site: south}, name: d1}\n",
    ),
    "braces over lines": (
        "metadata: {\n  name: d1,\n  labels: {\n    site: north,\n  },\n}\n",
        "metadata: {\n  name: d1,\n  labels: {gpu: 'no', \n    site: south,\n  },\n}\n",
    ),
}


@pytest.mark.parametrize("name", MERGED)
def test_labels_come_beside_what_people_wrote(name: str) -> None:
    before, after = MERGED[name]
    assert with_labels(HEAD + before + SPEC, BOTH) == HEAD + after + SPEC
    assert with_labels(SPEC + HEAD + before, BOTH) == SPEC + HEAD + after


def test_a_last_line_without_an_end_gets_one() -> None:
    text = "spec: {}\nmetadata:\n  name: d1\n  labels:\n    line: '7'"
    assert with_labels(text, {"gpu": "x"}) == f"{text}\n    gpu: x\n"


def test_what_stands_there_already_changes_nothing() -> None:
    text = f"{HEAD}metadata: {{name: d1, labels: {{line: 7}}}}\n{SPEC}"
    assert with_labels(text, {"line": "7"}) == text


@pytest.mark.parametrize(
    "metadata",
    [
        "metadata: {name: d1, labels: &l {line: 7}}\n",
        "metadata: {name: d1, labels: &l {site: north}}\nx-l: *l\n",
        "metadata:\n  name: d1\n  labels:\n    site: >-\n      north\n",
        "metadata:\n  name: d1\n  labels:\n",
        "metadata: {name: &n d1}\n",
        "x-l: &l {site: north}\nmetadata: {name: d1, labels: *l}\n",
        "x-l: &l {site: north}\nmetadata:\n  name: d1\n  labels:\n    <<: *l\n",
        "x-l: &l {name: d1, labels: {site: north}}\nmetadata: *l\n",
    ],
)
def test_what_is_written_in_a_way_of_its_own_is_left_to_people(metadata: str) -> None:
    with pytest.raises(ReconcilerError, match=r"write `site: south` below `metadata\.labels` by hand"):
        with_labels(HEAD + metadata + SPEC, {"site": "south"})


# fleet device approve


@pytest.fixture
def site(ann: Operator, capsys: pytest.CaptureFixture[str], git: GitServer) -> Site:
    return Site(FleetDesk(ann, capsys), git, ann.work.parent, capsys)


def changed(site: Site) -> str:
    return site.file_of("enroll-press-9", "devices/press-9.yaml")


def approve(site: Site, *more: str) -> Answer:
    return site.desk.fleet("device", "approve", "press-9", *more)


def test_labels_come_with_another_key(site: Site) -> None:
    old = Signer.generate().public.line
    site.push({"devices/press-9.yaml": f"# in hall 3\n{device('press-9', f'identity: {old}  # of 2024')}"})
    fingerprint = site.enroll("press-9", "--label", "line=7")
    words = ("--label", "site=south", "--proposed")
    done = approve(site, "--fingerprint", fingerprint, "--replace-key", *words)
    assert (done.code, done.err) == (0, "")
    new = load_signer(site.etc / "identity").public.line
    before = site.file_of("main", "devices/press-9.yaml")
    assert changed(site) == before.replace(old, new).replace("{site: north}", "{line: '7', site: south}")


def test_labels_come_with_the_next_key(site: Site) -> None:
    site.member()
    asked = site.reconciler("rotate-key", "-o", "json").json
    assert approve(site, "--label", "line=7").code == 0
    assert "labels: {line: '7', site: north}" in changed(site)
    assert asked["identity"] in changed(site)


def test_a_device_of_the_fleet_gets_labels_alone(site: Site) -> None:
    fingerprint = site.member()
    before = site.file_of("main", "devices/press-9.yaml")
    done = approve(site, "--fingerprint", fingerprint, "--label", "site=south", "--label", "line=7")
    assert (done.code, done.err) == (0, "")
    assert done.lines[0] == "devices/press-9.yaml: press-9, labels line=7, site=south"
    assert changed(site) == before.replace("{site: north}", "{line: '7', site: south}")
    command = ["git", "--git-dir", str(site.server.path("fleet")), "log", "-1", "--format=%s", "enroll-press-9"]
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout == "Label press-9\n"


def test_labels_that_it_has_already_are_told_so(site: Site) -> None:
    answer = approve(site, "--fingerprint", site.member(), "--label", "site=north")
    assert (answer.code, answer.out) == (0, "press-9 is in the fleet with this key already, and has these labels\n")
    assert site.refs() == ["refs/enroll/press-9", "refs/heads/main"]


def test_a_fact_that_it_does_not_tell_is_told_of_a_known_device_as_well(site: Site) -> None:
    fingerprint = site.member()
    answer = approve(site, "--fingerprint", fingerprint, "--fact", "architecture", "--label", "a b=c")
    assert (answer.code, "devices/press-9.yaml" in answer.err) == (11, True)
    assert approve(site, "--fingerprint", fingerprint, "--fact", "architecture").code == 0
    assert "labels: {architecture: " in changed(site)


def test_a_file_that_is_not_to_be_changed_so_is_told_and_nothing_is_offered(site: Site) -> None:
    fingerprint = site.member()
    path = "devices/press-9.yaml"
    site.push({path: (site.desk.folder / path).read_text().replace("{site: north}", "&these {site: north}")})
    answer = approve(site, "--fingerprint", fingerprint, "--label", "line=7")
    assert answer.code == 1
    assert f"{path}: a label cannot be written into it" in answer.err
    assert "write `line: '7'` below `metadata.labels` by hand" in answer.err
    assert site.refs() == ["refs/enroll/press-9", "refs/heads/main"]


def test_a_path_for_a_file_that_is_there_is_told(site: Site) -> None:
    answer = approve(site, "--fingerprint", site.member(), "--file", "devices/hall-3/press-9.yaml", "--label", "line=7")
    assert (answer.code, "its file is devices/press-9.yaml" in answer.err) == (1, True)
