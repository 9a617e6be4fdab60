"""Traces as a line of text: `+` for a gap in which a spot machine could be had, `-` for one in which none could."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

import numpy as np

from engine.semi_markov import SemiMarkov
from engine.spot_market import Trace
from engine.trace_text import read_trace


def seen(gaps: str, *, gap_s: float = 600.0, zone: str = "us-west-2a", start: datetime | None = None) -> Trace:
    """The trace that reads so."""
    return Trace(zone, "p3.2xlarge", gap_s, np.array([gap == "+" for gap in gaps], dtype=np.bool_), start)


def sampled(process: SemiMarkov, seed: int, gaps: int, *, gap_s: float = 600.0) -> Trace:
    """A trace of a zone that follows the process, beginning with an up run."""
    flags = process.sample(np.random.default_rng(seed), gap_s, gaps, starts_up=True)
    return Trace(f"zone-{seed}", "p3.2xlarge", gap_s, flags)


def constant(loss_per_h: float, gain_per_h: float) -> SemiMarkov:
    """A process without memory."""
    return SemiMarkov(np.zeros(1), np.array([loss_per_h]), np.array([gain_per_h]))


def recorded(folder: Path) -> list[Trace]:
    """The recorded traces of a folder and those below."""
    paths = [path for path in sorted(folder.rglob("*.json")) if "rle" in json.loads(path.read_text())]
    return [read_trace(path.read_text(), str(path)) for path in paths]
