"""Metrics: the exposition format, by its grammar, and the answers on loopback."""

import re
import socket
import urllib.error
import urllib.request

import pytest

from lab.waiting import free_port
from reconciler.agent.metrics import CONTENT_TYPE, Metrics, serve_metrics
from reconciler.errors import ConfigError
from reconciler.model import AppReport, Report, ReportedCondition, Versions

# prometheus.io/docs/instrumenting/exposition_formats, text format
COMMENT = re.compile(r"# (HELP [a-z_]+ [^\n]+|TYPE [a-z_]+ (counter|gauge))")
SAMPLE = re.compile(r'[a-z_]+(\{[a-z_]+="([^"\\\n]|\\["\\n])*"(,[a-z_]+="([^"\\\n]|\\["\\n])*")*\})? -?[0-9.e+]+')

REPORT = Report(
    "press-1",
    "Degraded",
    "2026-06-01T00:00:00Z",
    versions=Versions("0.1.0", "28.0"),
    conditions=(
        ReportedCondition("Ready", "False", "Degraded", 'a "message"', "2026-06-01T00:00:00Z"),
        ReportedCondition("Fresh", "Unknown", "NotAsked", "", "2026-06-01T00:00:00Z"),
    ),
    apps=(AppReport('odd"\\\napp', "Degraded"),),
    disk_free_bytes=12,
)


def test_before_the_first_pass_there_are_counts_alone() -> None:
    text = Metrics(lambda: 5.0).text()
    assert "reconciler_passes_total 0\n" in text and "reconciler_phase" not in text


def test_it_is_what_prometheus_reads() -> None:
    now = [100.0]
    metrics = Metrics(lambda: now[0])
    metrics.note_git(answered=False)
    metrics.note_git(answered=True)
    now[0] = 103.5
    metrics.note_pass(REPORT, 101.0, steps=3, errors=1)
    metrics.note_pass(REPORT, 103.0, steps=2, errors=0)
    lines = metrics.text().splitlines()
    assert [line for line in lines if not (COMMENT if line.startswith("#") else SAMPLE).fullmatch(line)] == []
    assert {
        "reconciler_passes_total 2",
        "reconciler_steps_total 5",
        "reconciler_pass_errors_total 1",
        "reconciler_last_pass_seconds 0.5",
        "reconciler_last_pass_timestamp_seconds 103.5",
        "reconciler_git_failures_total 1",
        "reconciler_git_answer_timestamp_seconds 100.0",
        'reconciler_phase{phase="Degraded"} 1',
        'reconciler_condition{type="Ready",reason="Degraded"} 0',
        'reconciler_condition{type="Fresh",reason="NotAsked"} -1',
        'reconciler_app_phase{app="odd\\"\\\\\\napp",phase="Degraded"} 1',
        "reconciler_disk_free_bytes 12",
    } <= set(lines)
    named = [line.split()[2] for line in lines if line.startswith("# TYPE")]
    assert len(named) == len(set(named))


def test_a_clock_that_was_set_back_makes_no_negative_time() -> None:
    metrics = Metrics(lambda: 50.0)
    metrics.note_pass(REPORT, 100.0, steps=0, errors=0)
    assert "reconciler_last_pass_seconds 0.0\n" in metrics.text()


def test_it_answers_on_loopback_until_it_is_stopped() -> None:
    metrics = Metrics(lambda: 5.0)
    listen = f"127.0.0.1:{free_port()}"
    stop = serve_metrics(metrics, listen)
    try:
        with urllib.request.urlopen(f"http://{listen}/metrics", timeout=10) as answer:
            assert answer.headers["Content-Type"] == CONTENT_TYPE
            assert answer.read().decode() == metrics.text()
        with pytest.raises(urllib.error.HTTPError, match="404") as caught:
            urllib.request.urlopen(f"http://{listen}/etc/passwd", timeout=10)
        caught.value.close()
        with pytest.raises(ConfigError, match="cannot listen"):
            serve_metrics(metrics, listen)
    finally:
        stop()
    host, _, port = listen.partition(":")
    with pytest.raises(ConnectionRefusedError), socket.create_connection((host, int(port)), 5):
        pass
