"""`fleet plan` says why: which pointer changed, the line that set it; who joins, leaves, and moves between layers."""

import pytest
from fleet_desk import SMALL, WEB, FleetDesk, device, layer

from lab.operator import Operator
from reconciler.fleet.preview_markdown import MAX_CHARACTERS

SOUTH = "selector: {matchLabels: {site: south}}\n"


@pytest.fixture
def desk(ann: Operator, capsys: pytest.CaptureFixture[str]) -> FleetDesk:
    desk = FleetDesk(ann, capsys)
    desk.commit(SMALL)
    return desk


def why(desk: FleetDesk, *arguments: str) -> list[str]:
    return [line.strip() for line in desk.fleet("plan", "HEAD", *arguments).lines if line.startswith("    because")]


def south(spec: str) -> dict[str, str]:
    return {"layers/site/south.yaml": layer("south", SOUTH + spec)}


def patch(body: str) -> str:
    return f"variables: {{TITLE: South}}\npatches:\n  - target: {{app: web, service: web}}\n    {body}"


LEVEL, TITLE = "/services/web/environment/LEVEL", "/services/web/environment/TITLE"
# What is edited, and why the devices change then.
EDITS: dict[str, tuple[dict[str, str], list[str]]] = {
    "the Compose file": (
        {"apps/web/compose.yaml": WEB.replace("low", "high")},
        [f"{LEVEL} is set at apps/web/compose.yaml:6:14 (the Compose file): 'low' -> 'high'"],
    ),
    "a text with a variable is shown as it is written": (
        {"apps/web/compose.yaml": WEB.replace(":-none", ":-nobody")},
        [
            f"{TITLE} is set at apps/web/compose.yaml:5:14 (the Compose file): "
            "'${TITLE:-none}' -> '${TITLE:-nobody}'"
        ],
    ),
    "a variable of a layer": (
        south("variables: {TITLE: Far south}"),
        [f"{TITLE} is set at layers/site/south.yaml:6:22 (${{TITLE}} of layer site/south): 'South' -> 'Far south'"],
    ),
    "a variable that nobody sets any more": (
        south("variables: {}"),
        [f"{TITLE} is gone, it was set at layers/site/south.yaml:6:22 (layer site/south): 'South'"],
    ),
    "a patch of a layer": (
        south(patch('patch: [{op: replace, path: /environment/LEVEL, value: "high"}]')),
        [
            f"{LEVEL} is set at layers/site/south.yaml:9:62 (layer site/south): 'low' -> 'high', "
            "before at apps/web/compose.yaml:6:14"
        ],
    ),
    "a patch that removes": (
        south(patch("patch: [{op: remove, path: /environment/LEVEL}]")),
        [f"{LEVEL} is removed at layers/site/south.yaml:9:15 (layer site/south): 'low'"],
    ),
    "a merge that removes": (
        south(patch("merge: {environment: {LEVEL: null}}")),
        [f"{LEVEL} is removed at layers/site/south.yaml:9:36 (layer site/south): 'low'"],
    ),
    "a value that is taken out of the file": (
        {"apps/web/compose.yaml": WEB.replace("      LEVEL: low\n", "")},
        [f"{LEVEL} is gone, it was set at apps/web/compose.yaml:6:14 (the Compose file): 'low'"],
    ),
    "a new app": (
        {**south("variables: {TITLE: South}\napps: [shop]"), "apps/shop/compose.yaml": WEB},
        ["shop is asked for at layers/site/south.yaml:7:10 (layer site/south)"],
    ),
    "a file that a service mounts": (
        {"apps/page/page.txt": "two"},
        ["/configs/page/file has another content at apps/page/page.txt:1:1 (the file)"],
    ),
}
PAGE = "services:\n  web:\n    image: busybox\n    configs: [page]\nconfigs: {page: {file: page.txt}}\n"


@pytest.mark.parametrize("case", EDITS)
def test_a_change_has_its_reason(case: str, desk: FleetDesk) -> None:
    files, reasons = EDITS[case]
    if "apps/page/page.txt" in files:
        desk.commit({**south("apps: [page]"), "apps/page/compose.yaml": PAGE, "apps/page/page.txt": "one"})
    desk.lay(files)
    assert why(desk) == [f"because {reason}" for reason in reasons]


def test_an_app_that_goes_names_who_asked_for_it(desk: FleetDesk) -> None:
    desk.commit({**south("apps: [shop]\nvariables: {TITLE: South}"), "apps/shop/compose.yaml": WEB})
    desk.lay(south("variables: {TITLE: South}"))
    answer = desk.fleet("plan", "HEAD").lines
    assert answer[0] == "1 device: shop is removed (web)"
    assert why(desk) == ["because nobody asks for shop any more, as at layers/site/south.yaml:6:10 (layer site/south)"]


def test_what_makes_no_difference_is_no_reason(desk: FleetDesk) -> None:
    desk.edit("apps/web/compose.yaml", "low", "high")
    desk.edit("apps/web/compose.yaml", "services:", "x-note: new\n# a comment\nservices:")
    assert [line.split()[1] for line in why(desk)] == [LEVEL]


def test_a_comment_is_no_change(desk: FleetDesk) -> None:
    desk.edit("apps/web/compose.yaml", "services:", "# a comment\nservices:")
    desk.edit("layers/site/south.yaml", "spec:", "# a comment\nspec:")
    assert desk.fleet("plan", "HEAD").code == 0


def test_a_new_image_is_told_in_the_head(desk: FleetDesk) -> None:
    desk.edit("apps/web/compose.yaml", "1.36", "1.37")
    assert desk.fleet("plan", "HEAD").lines[0] == "3 devices: web/web image busybox:1.36 -> busybox:1.37, replaced"


def test_a_label_moves_a_device_and_the_line_is_told(desk: FleetDesk) -> None:
    desk.edit("devices/d3.yaml", "site: south", "site: north")
    lines = desk.fleet("plan", "HEAD").lines
    assert lines[-2:] == ["1 device: leaves layer site/south (devices/d3.yaml:3:37)", "  on d3"]
    (moved,) = [one for one in desk.fleet("plan", "HEAD", "-o", "json").json if one["moved"]]
    assert (moved["device"], moved["entered"], moved["left"]) == ("d3", [], ["site/south"])


def test_labels_of_many_devices_stand_together_each_with_its_line(desk: FleetDesk) -> None:
    for name in ("d1", "d2"):
        desk.edit(f"devices/{name}.yaml", "site: north", "site: south")
    lines = desk.fleet("plan", "HEAD").lines
    assert lines[-2:] == [
        "2 devices: enters layer site/south",
        "  on d1 (devices/d1.yaml:3:37), d2 (devices/d2.yaml:3:37)",
    ]


def test_a_selector_moves_devices_and_its_line_is_told(desk: FleetDesk) -> None:
    desk.edit("layers/site/south.yaml", "site: south", "site: north")
    lines = desk.fleet("plan", "HEAD").lines
    assert "2 devices: enters layer site/south (layers/site/south.yaml:5:3)" in lines
    assert "1 device: leaves layer site/south (layers/site/south.yaml:5:3)" in lines


def test_a_new_device_joins(desk: FleetDesk) -> None:
    desk.lay({"devices/d4.yaml": device("d4")})
    answer = desk.fleet("plan", "HEAD")
    assert answer.code == 2
    assert answer.lines[0] == "1 device: joins the fleet; web is new (web)"


def test_one_device_is_told_whole(desk: FleetDesk) -> None:
    environment = "".join(f"      V{n}: low\n" for n in range(20))
    desk.commit({"apps/web/compose.yaml": WEB + environment})
    desk.lay({"apps/web/compose.yaml": (WEB + environment).replace("low", "high")})
    assert len(why(desk)) == 8
    assert "    and 13 more reasons" in desk.fleet("plan", "HEAD").lines
    assert len(why(desk, "--device", "d1")) == 21


def test_the_reasons_for_programs_have_all_parts(desk: FleetDesk) -> None:
    desk.edit("apps/web/compose.yaml", "low", "high")
    one = desk.fleet("plan", "HEAD", "-o", "json").json[0]
    assert one["reasons"] == [
        {
            "app": "web",
            "pointer": LEVEL,
            "before": "'low'",
            "after": "'high'",
            "place": "apps/web/compose.yaml:6:14",
            "by": "the Compose file",
            "was": "apps/web/compose.yaml:6:14",
        }
    ]


def test_a_comment_never_outgrows_what_a_forge_takes(desk: FleetDesk) -> None:
    many = {f"devices/e{n:04}.yaml": device(f"e{n:04}", f"variables: {{TITLE: '{n}'}}") for n in range(800)}
    desk.commit(many)
    desk.lay({path: text.replace("TITLE: '", "TITLE: 'x") for path, text in many.items()})
    answer = desk.fleet("plan", "HEAD", "-o", "markdown")
    assert len(answer.out) <= MAX_CHARACTERS
    assert "more group" in answer.lines[-1]
    assert answer.lines.count("<details>") == answer.lines.count("</details>")


def test_a_proposed_name_cannot_leave_the_block_of_a_comment(desk: FleetDesk) -> None:
    desk.edit("apps/web/compose.yaml", "low", '"```\\n@everyone <img>"')
    answer = desk.fleet("plan", "HEAD", "-o", "markdown")
    assert "````text" in answer.lines
    assert "````" in answer.lines
