"""Many devices report at once by refs of their own, some of them what no collector may take: no good one is lost.

A thousand of them, with clocks: benchmarks/status.py.
"""

import threading
from pathlib import Path

from lab.git_server import git_server
from reconciler.fleet.collect_command import Collector, Pass
from reconciler.repository import read_reports
from tests.fakes.herd import WRONGS, Herd


def test_all_that_report_at_once_are_heard_and_the_bad_ones_are_told(tmp_path: Path) -> None:
    herd = Herd(tmp_path / "herd", 40, len(WRONGS))
    with git_server(tmp_path / "server", doors=herd.doors(gated=True)) as server:
        url = server.create("fleet")
        collector = Collector(herd.lay(url), "main")
        herd.settle_in(url, url)
        herd.converge(4)
        herd.prepare_replays(collector.collect)
        passes, done = list[Pass](), threading.Event()

        def collect() -> None:
            """A collector beside them, as `fleet collect --every` is, and once more behind the last."""
            while not done.is_set():
                passes.append(collector.collect())
            passes.append(collector.collect())

        beside = threading.Thread(target=collect)
        beside.start()
        try:
            herd.report(url, 8)
        finally:
            done.set()
            beside.join()
        found = {one.device: one.content for one in read_reports(server.path("fleet"), "refs/heads/status")}
    assert sorted(name for one in passes for name in one.taken) == herd.good
    assert {name: why.partition(":")[0] for name, why in passes[-1].refused.items()} == herd.bad
    assert {name: found[name] for name in herd.good} == {name: herd.devices[name].report for name in herd.good}
    said_before = [name for name, kind in herd.wrongs.items() if kind == "replayed"]
    assert sorted(found) == sorted([*herd.good, *said_before])
    assert all(found[name] == herd.devices[name].report for name in said_before), "the second one, not the first"
