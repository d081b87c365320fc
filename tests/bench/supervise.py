# SPDX-License-Identifier: Apache-2.0
"""Figures of supervision; tests/bench/run calls them. Each takes row(figure, bound, measured, met, note)."""
import json
import os
import re
import shutil
import statistics
import subprocess
import tempfile
import time

from appliance import BUILD, Appliance, descendants, unit, wait_for
from ociimage import busybox_of, write_box

BOX = "localhost/many:latest"
SHIMS, UNITS, MANY, FEW = 50, 100, 1000, 10
IDLE_SEC = 30
TURNS = 40
TURNS_MIN, TURNS_LIMIT_SEC = 20, 30
FLOOD_LINES, FLOODS = 5000000, 3  # 0.5 GB
CONMON = "/usr/bin/conmon"
CGROUP2 = ("/sys/fs/cgroup/unified", "/sys/fs/cgroup")
CONMON_RUNTIME = """#!/bin/sh
sh -c 'echo $$ >{cgroup}/cgroup.procs && echo $$ >{place}/number && exec {program} flood {lines}' &
while ! [ -s {place}/number ]; do sleep 0.01; done
cp {place}/number {place}/pid
"""
CONMON_CPU_SEC_PER_GB = 2.9  # conmon 2.1 with podman, the same lines, on the machine that the bounds were written on
PROBE = "HealthCmd=true\nHealthInterval=10s\n"
IDLE = "Exec=/bin/many idle\nStopTimeout=1\n"


class Box:
    """Appliances with one image, in one folder that goes at the end."""

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="cleat-bench-")
        self.made = []
        program = os.path.join(BUILD, "bench", "many")
        self.image = os.path.join(self.dir, "many.tar")
        with open(program, "rb") as f:
            write_box(self.image, busybox_of(BUILD), BOX, extra=[("bin/many", {"content": f.read()})])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for appliance in self.made:
            appliance.close()
        shutil.rmtree(self.dir)

    def boot(self, units):
        directory = os.path.join(self.dir, "appliance%d" % len(self.made))
        os.mkdir(directory)
        appliance = Appliance(directory, units, images=())
        appliance.add_image("many", self.image)
        self.made.append(appliance)
        return appliance.start()


def idle_units(count, container="", **more):
    return {"u%03d" % n: unit(BOX, IDLE + container, unit_lines="StartLimitIntervalSec=0", **more) for n in range(count)}


def wait_all(a, count, seconds=60, **fields):
    def fits():
        units = a.status()["units"]
        return sum(all(u[key] == value for key, value in fields.items()) for u in units) >= count

    wait_for("%d units are %s" % (count, fields), fits, seconds)


def pss_kib(pid):
    with open("/proc/%d/smaps_rollup" % pid) as f:
        return int(re.search(r"^Pss:\s+(\d+)", f.read(), re.M).group(1))


def settled(measure, spread=0.01, seconds=20):
    """Memory goes back some time after the last event."""
    before = measure()
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        time.sleep(3)
        now = measure()
        if abs(now - before) <= spread * before:
            return now
        before = now
    return before


def shims_of(a):
    found = []
    for pid in descendants(a.init_pid()):
        try:
            with open("/proc/%d/cmdline" % pid, "rb") as f:
                if f.read().split(b"\0")[1:2] == [b"shim"]:
                    found.append(pid)
        except OSError:
            continue
    return found


def cgroup_of(a):
    for base in ("/sys/fs/cgroup/unified", "/sys/fs/cgroup"):
        path = os.path.join(base, "cleat-boot-%d" % a.process.pid)
        if os.path.isdir(path):
            return path
    raise AssertionError("no cgroup of the appliance")


def cpu_usec(a, group="cleat"):
    """Of everything that is or was in the group; the kernel keeps this without any controller."""
    with open(os.path.join(cgroup_of(a), group, "cpu.stat")) as f:
        return int(re.search(r"^usage_usec (\d+)", f.read(), re.M).group(1))


def cpu_of(pid):
    with open("/proc/%d/schedstat" % pid) as f:
        return int(f.read().split()[0]) / 1e6


def comm_of(pid):
    with open("/proc/%d/comm" % pid) as f:
        return f.read().strip()


def kernel_kib():
    with open("/proc/meminfo") as f:
        values = dict(re.findall(r"^(\w+):\s+(\d+)", f.read(), re.M))
    return sum(int(values[key]) for key in ("Slab", "KernelStack", "PageTables", "Percpu"))


def console_span(console, first, last):
    """ms between the first line with one text and the last with the other after it."""
    stamps = [(float(m.group(1)), m.group(2)) for m in re.finditer(r"^\[ *(\d+\.\d+)\] (.*)$", console, re.M)]
    begin = max(i for i, (_, text) in enumerate(stamps) if first in text)
    end = max(i for i, (_, text) in enumerate(stamps) if last in text)
    return (stamps[end][0] - stamps[begin][0]) * 1000


def figure_many(row):
    """50 and 100 containers: memory, how fast they are up, adoption, what idleness costs."""
    with Box() as box:
        before = kernel_kib()
        a = box.boot(idle_units(SHIMS))
        wait_all(a, SHIMS, state="up")
        shims = shims_of(a)
        writers = [pid for pid in shims if comm_of(pid) == "cleat-log"]
        assert len(shims) - len(writers) == SHIMS == len(writers), (len(shims), len(writers))
        each = settled(lambda: sum(map(pss_kib, shims))) / SHIMS
        row("shim, PSS, %d at once" % SHIMS, "<= 60 KiB", "%.1f KiB" % each, each <= 60,
            "with its writer, which is %.1f KiB of it; conmon: 362 to 769 KiB" % (sum(map(pss_kib, writers)) / SHIMS))
        row("kernel memory per container", "", "%d KiB" % ((kernel_kib() - before) / SHIMS), None, "slab, stacks, page tables, per-cpu of the whole machine, by difference")
        a.stop()
        a.process = None
        open(a.console_path, "w").close()
        a.start()  # the image is there now
        wait_all(a, SHIMS, state="up")
        span = console_span(a.console(), "units in", "starting → up")
        row("%d containers up" % SHIMS, "<= 300 ms", "%d ms" % span, span <= 300, "from the engine's first line to the last container's execve; podman 4.9 s")

        a = box.boot(idle_units(UNITS, PROBE))
        wait_all(a, UNITS, health="healthy")
        engine = a.engine_pid()
        mib = settled(lambda: pss_kib(engine)) / 1024
        row("engine, PSS, %d units" % UNITS, "<= 3 MiB", "%.2f MiB" % mib, mib <= 3, "all up, probed every 10 s")
        begin, used = time.monotonic(), cpu_usec(a)
        time.sleep(IDLE_SEC)
        share = (cpu_usec(a) - used) / 1e4 / (time.monotonic() - begin)
        row("%d idle containers, 10 s probes" % UNITS, "<= 1 % of a core", "%.2f %%" % share, share <= 1,
            "commands in the containers; everything but PID 1, %d s; fork, setns and exec of the command alone, one every 0.1 s: %.2f %%" % (IDLE_SEC, floor_of_probes(a)))
        adoption(a, row)


def floor_of_probes(a):
    """Share of a core that no probe of a command can do without: entering each container once in 10 s, with no filter, no cgroup, no rights given up."""
    inside = [pid for pid in descendants(a.init_pid()) if comm_of(pid) == "many"]
    assert len(inside) == UNITS, inside
    out = subprocess.run([os.path.join(BUILD, "bench", "many"), "enter", "100000"] + list(map(str, inside)), check=True, stdout=subprocess.PIPE, text=True).stdout
    return int(out) / 1e4 / (UNITS * 0.1)


def adoption(a, row):
    spans = []
    for _ in range(3):
        engine = a.engine_pid()
        open(a.console_path, "w").close()
        os.kill(engine, 9)
        wait_for("another engine", lambda: a.ping() and a.engine_pid() != engine)
        wait_for("all adopted", lambda: a.console().count("down → ") >= UNITS)
        spans.append(console_span(a.console(), "units in", "down → "))
    span = statistics.median(spans)
    row("adoption of %d containers" % UNITS, "<= 100 ms", "%d ms" % span, span <= 100, "from the engine's first line to the last container; median of 3")


def turns(box, choose, network):
    """[(usec, share disturbed)] of a container that is restarted as soon as it has ended."""
    a = box.boot({"turn": unit(BOX, "Exec=/bin/many turn\n", "Restart=always\nRestartSec=0\n", "StartLimitIntervalSec=0", network=network)})
    path = os.path.join(a.data, "logs", "systemd-turn", "current")

    def lines():
        try:
            with open(path) as f:
                return [[int(number) for number in line] for line in re.findall(r"turn (\d+) (-?\d+) (-?\d+) (\d+)$", f.read(), re.M)]
        except FileNotFoundError:
            return []

    def gaps():
        """[(usec, share of it for which somebody waited for a processor)]; a clock that was set in between says nothing."""
        taken = lines()
        pairs = [((after[0] - before[3]) / 1e3, after[1] - before[2], before[2] >= 0) for before, after in zip(taken, taken[1:])]
        return [(usec, stalled / usec if counted else None) for usec, stalled, counted in pairs if usec > 0]

    wait_for("it has turned often", lambda: len(gaps()) > TURNS, 60)
    deadline = time.monotonic() + TURNS_LIMIT_SEC
    while True:
        taken = gaps()
        if len(choose(taken)[0]) > TURNS_MIN or time.monotonic() > deadline or taken[0][1] is None:
            break
        time.sleep(1)
    a.stop()
    a.process = None
    return taken


def figure_restart(row, choose):
    with Box() as box:
        chosen, how = choose(turns(box, choose, "none"))
        middle, best = statistics.median(chosen) / 1000, min(chosen) / 1000
        row("end to execve of the next", "<= 5 ms", "%.1f ms" % middle, middle <= 5,
            "Network=none; clock in main() of both; median of the turns that nothing disturbed, %s; best %.1f ms; podman 100 ms" % (how, best))
        # the kernel takes the last link apart beside the start: no turn is without that, and the longest have the smallest share of it
        every = [usec / 1000 for usec, _ in turns(box, choose, None)]
        row("end to execve, default bridge", "", "%.1f ms" % statistics.median(every), None, "the same with a network; median of all %d turns; best %.1f ms" % (len(every), min(every)))


def figure_logs(row):
    """In turns with conmon, where there is one; disturbance makes a turn slower, never faster, so the best of each counts."""
    ours, theirs = [], []
    with Box() as box:
        a = box.boot({"flood": unit(BOX, "Exec=/bin/many flood %d\n" % FLOOD_LINES, install=False)})
        for _ in range(FLOODS):
            ours.append(flood_cleat(a, len(ours)))
            if os.access(CONMON, os.X_OK):
                theirs.append(flood_conmon(box))
        dropped = a.wait_unit("systemd-flood", state="down")["log_dropped_lines"]
    size = FLOOD_LINES * 100 / 1e6
    rate, cpu = size / min(seconds for seconds, _ in ours), min(cpu for _, cpu in ours) * 1000 / size
    row("logs", ">= 500 MB/s", "%d MB/s" % rate, rate >= 500,
        "best of %d times %d lines of 100 bytes, what the program wrote, start to end of the container; %d dropped%s"
        % (FLOODS, FLOOD_LINES, dropped, "; conmon %d MB/s" % (size / min(seconds for seconds, _ in theirs)) if theirs else ""))
    peer = min(cpu for _, cpu in theirs) * 1000 / size if theirs else CONMON_CPU_SEC_PER_GB
    row("CPU of logs", "<= half of conmon's", "%.2f s/GB" % cpu, cpu <= peer / 2,
        "shim and writer; conmon %.1f s/GB, %s" % (peer, "in turns with it" if theirs else "on the machine that the bounds were written on"))


def flood_cleat(a, before):
    """(seconds, CPU of shim and writer) of one run of the container."""
    used = cpu_usec(a, "cleat/shims")
    a.cleat("start", "flood")
    wait_for("the flood is over", lambda: len(run_ends(a)) > before, 120)
    wait_for("the writer has ended", lambda: not a.processes("cleat-log"), 60)
    begin, end = run_ends(a)[-1]
    return (end - begin) / 1e9, (cpu_usec(a, "cleat/shims") - used) / 1e6


def run_ends(a):
    """[(start, end)] of the flood's runs, in ns."""
    out = a.cleat("events", "--no-follow", "--format", "json", "--filter", "container=systemd-flood")
    nsec = {"start": [], "die": []}
    for event in map(json.loads, out.splitlines()):
        nsec.get(event["Status"], []).append(event["TimeNano"])
    return list(zip(nsec["start"], nsec["die"]))


def flood_conmon(box):
    """(seconds, CPU of conmon alone): the same program, with files as large as ours. What conmon takes for a runtime starts it in a cgroup of
    its own, says its number, and ends."""
    place = tempfile.mkdtemp(dir=box.dir)
    cgroup = os.path.join(next(base for base in CGROUP2 if os.path.exists(os.path.join(base, "cgroup.procs"))), os.path.basename(place))
    runtime = os.path.join(place, "runtime")
    for path in (cgroup, os.path.join(place, "sockets"), os.path.join(place, "exits")):
        os.mkdir(path)
    try:
        with open(runtime, "w") as f:
            f.write(CONMON_RUNTIME.format(cgroup=cgroup, program=os.path.join(BUILD, "bench", "many"), lines=FLOOD_LINES, place=place))
        os.chmod(runtime, 0o755)
        with open(os.path.join(place, "config.json"), "w") as f:
            f.write('{"process":{"terminal":false}}')
        argv = [CONMON, "--sync", "-c", "flood", "-u", "flood", "-n", "flood", "-r", runtime, "-b", place, "-p", os.path.join(place, "pid"), "--socket-dir-path",
                os.path.join(place, "sockets"), "-l", "k8s-file:" + os.path.join(place, "log"), "--log-size-max", str(10 << 20), "--exit-dir", os.path.join(place, "exits")]
        begin, used = time.monotonic(), os.times()
        subprocess.run(argv, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        seconds, after = time.monotonic() - begin, os.times()
        with open(os.path.join(cgroup, "cpu.stat")) as f:
            source = int(re.search(r"^usage_usec (\d+)", f.read(), re.M).group(1)) / 1e6
        with open(os.path.join(place, "exits", "flood")) as f:
            assert f.read() == "0", "the program that conmon watched"
        return seconds, after.children_user + after.children_system - used.children_user - used.children_system - source
    finally:
        wait_for("conmon's cgroup can be removed", lambda: rmdir(cgroup))


def rmdir(path):
    try:
        os.rmdir(path)
    except OSError:
        return False
    return True


def figure_thousand(row):
    """What the engine pays for an event and for idling when there are many units that it has nothing to do with."""
    with Box() as box:
        cost = {count: cost_of(box, count) for count in (FEW, MANY)}
        for what, index, unit_name in (("a restart", 0, "ms"), ("idleness", 1, "ms/min"), ("one unit added", 2, "ms")):
            few, many = cost[FEW][index], cost[MANY][index]
            ratio = many / max(few, 0.01)
            bound = what != "one unit added"
            row("%s with %d units" % (what, MANY), "<= 2 x" if bound else "", "%.2f x" % ratio, (ratio <= 2 or many - few < 1) if bound else None,
                "engine's CPU: %.2f %s with %d units, %.2f %s with %d%s" % (few, unit_name, FEW, many, unit_name, MANY, "" if bound else "; all units are read anew"))


def cost_of(box, count):
    """CPU of the engine in ms: (of a restart, of a minute of idling, of a unit that is dropped)."""
    units = idle_units(FEW)
    units.update({"x%04d" % n: unit(BOX, IDLE, install=False) for n in range(count - FEW)})
    a = box.boot(units)
    wait_all(a, FEW, state="up")
    engine = a.engine_pid()
    for _ in range(3):
        a.cleat("restart", "u000")
    begin = cpu_of(engine)
    for _ in range(20):
        a.cleat("restart", "u000")
    restart = (cpu_of(engine) - begin) / 20
    time.sleep(5)
    begin = cpu_of(engine)
    time.sleep(60)  # what the engine does once a minute happens once in it, with few units and with many
    idle = cpu_of(engine) - begin
    begin = cpu_of(engine)
    a.add_unit("added", unit(BOX, IDLE))
    a.wait_unit("systemd-added", state="up", seconds=60)
    return restart, idle, cpu_of(a.engine_pid()) - begin
