#!/usr/bin/env python3
"""Four "machines" as network namespaces with addresses and host names of their own: MPI goes over TCP between them.

    tests/campaigns/mpi_machines.py [--program build/auxo] [--machines 4]

Needs root, iproute2 and Open MPI; says SKIPPED and ends with 77 without. Each machine is a namespace with one end of a
veth pair, the other ends hang on a bridge in a namespace of its own; nothing of the host's network is touched. mpirun
starts its daemons through an agent that enters the namespace instead of ssh. Then
- lenet5 trained by a rank on each machine has the weights of one process (1e-5, relative), twice the same bits;
- one step of a network with synchronised batch norm has its gradients;
- a study that rank 0's machine owns has the trials of one process, to the last digit;
- a machine's rank that is killed ends the job, and a rerun completes the study, redoing what was begun and no more.
Prints what was found; ends with status 1 if anything was otherwise.
"""
import argparse
import array
import json
import os
import pathlib
import signal
import shutil
import struct
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
AGENT = """#!/bin/sh
# $1: the machine; the rest: what to run there. Every machine has a host name of its own.
machine=$1
shift
exec ip netns exec "$machine" unshare --uts sh -c 'hostname "$0"; exec sh -c "$1"' "$machine" "$*"
"""


def run(*words, **options):
    return subprocess.run(words, check=True, **options)


class Network:
    """Namespaces auxo-m1, auxo-m2, ... with addresses 10.77.0.1, ... on a bridge in auxo-switch."""

    def __init__(self, count):
        self.names = [f"auxo-m{i + 1}" for i in range(count)]
        self.switch = "auxo-switch"

    def __enter__(self):
        self.remove()
        run("ip", "netns", "add", self.switch)
        run("ip", "-n", self.switch, "link", "add", "bridge", "type", "bridge")
        run("ip", "-n", self.switch, "link", "set", "bridge", "up")
        hosts = "127.0.0.1 localhost\n" + "".join(f"10.77.0.{i + 1} {n}\n" for i, n in enumerate(self.names))
        for i, name in enumerate(self.names):
            folder = pathlib.Path("/etc/netns") / name
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "hosts").write_text(hosts)
            run("ip", "netns", "add", name)
            run("ip", "link", "add", "wire", "netns", name, "type", "veth", "peer", "name", f"port{i}", "netns",
                self.switch)
            run("ip", "-n", self.switch, "link", "set", f"port{i}", "master", "bridge", "up")
            run("ip", "-n", name, "address", "add", f"10.77.0.{i + 1}/24", "dev", "wire")
            run("ip", "-n", name, "link", "set", "wire", "up")
            run("ip", "-n", name, "link", "set", "lo", "up")
        return self

    def __exit__(self, *_):
        self.remove()

    def remove(self):
        for name in [*self.names, self.switch]:
            subprocess.run(["ip", "netns", "del", name], stderr=subprocess.DEVNULL)
            shutil.rmtree(pathlib.Path("/etc/netns") / name, ignore_errors=True)

    def bytes_sent(self):
        """By all machines, as their interfaces count."""
        total = 0
        for name in self.names:
            shown = run("ip", "-n", name, "-s", "-j", "link", "show", "wire", stdout=subprocess.PIPE, text=True)
            total += json.loads(shown.stdout)[0]["stats64"]["tx"]["bytes"]
        return total


def weights(path):
    """All f32 tensors of a safetensors file, end to end."""
    data = path.read_bytes()
    length = struct.unpack("<Q", data[:8])[0]
    values = array.array("f")
    for name, tensor in sorted(json.loads(data[8:8 + length]).items()):
        if name != "__metadata__" and tensor["dtype"] == "F32":
            start, end = tensor["data_offsets"]
            values.frombytes(data[8 + length + start:8 + length + end])
    return values


def distance(one, other):
    apart = sum((a - b) ** 2 for a, b in zip(one, other))
    return (apart / sum(a * a for a in one)) ** 0.5


class Campaign:
    def __init__(self, options, network, folder):
        self.options, self.network, self.folder = options, network, pathlib.Path(folder)
        self.faults = []
        agent = self.folder / "agent"
        agent.write_text(AGENT)
        agent.chmod(0o755)
        machines = ",".join(f"{name}:1" for name in network.names)
        self.launcher = ["ip", "netns", "exec", network.names[0], "unshare", "--uts", "sh", "-c",
                         f'hostname {network.names[0]}; exec "$0" "$@"', "mpirun", "--allow-run-as-root", "--bind-to", "none",
                         "--host", machines, "--mca", "plm_rsh_agent", str(agent), "--mca", "btl", "tcp,self", "--mca",
                         "pml", "ob1", "--mca", "btl_tcp_if_include", "10.77.0.0/24", "--mca", "oob_tcp_if_include",
                         "10.77.0.0/24", "-n", str(len(network.names))]

    def check(self, good, text):
        print(("  " if good else "WRONG ") + text, flush=True)
        if not good:
            self.faults.append(text)

    def alone(self, *words):
        return run(self.options.program, *words, cwd=self.folder, stdout=subprocess.PIPE, text=True).stdout

    def together(self, *words):
        return run(*self.launcher, self.options.program, *words, cwd=self.folder, stdout=subprocess.PIPE, text=True,
                   timeout=280).stdout

    def trials(self, study, state="complete"):
        shown = [json.loads(line) for line in self.alone("study", "show", study, "--json").splitlines()]
        return {(event["genome"] if "genome" in event else event["number"]): event.get("value")
                for event in shown if event["event"] == "trial" and event["state"] == state}

    def train(self):
        train = ("train --data glyphs --limit 2000 --model lenet5 --device cpu --threads 1 --optimizer sgd --lr 0.01 "
                 "--batch 64 --steps 100").split()
        self.alone(*train, "--save", "one")
        before = self.network.bytes_sent()
        for name in ("many", "again"):
            self.together(*train, "--save", name)
        sent = (self.network.bytes_sent() - before) / 2
        apart = distance(weights(self.folder / "one"), weights(self.folder / "many"))
        self.check(apart < 1e-5, f"lenet5, 100 steps: weights {apart:.1e} from those of one process")
        self.check((self.folder / "many").read_bytes() == (self.folder / "again").read_bytes(),
                   "the same bits when trained again")
        print(f"  {sent / 100 / 1e6:.3f} MB a step over the wires of all machines", flush=True)

    def norm(self):
        network = {"layers": [
            {"name": "input", "kind": "input", "shape": [1, 28, 28]},
            {"name": "conv", "kind": "conv2d", "units": 8, "kernel": 3, "pad": 1, "bias": False},
            {"name": "norm", "kind": "batch_norm", "activation": "tanh"},
            {"name": "flatten", "kind": "flatten"}, {"name": "dense", "kind": "dense", "units": 10}]}
        (self.folder / "net.json").write_text(json.dumps(network))
        train = ("train --data glyphs --limit 64 --model net.json --device cpu --threads 1 --optimizer sgd --warmup 0 "
                 "--batch 16 --steps 1").split()
        moved = {}
        for name, lr, start in (("start", "1e-12", self.alone), ("one", "1", self.alone), ("many", "1", self.together)):
            more = ["--sync-batch-norm"] if start == self.together else []
            start(*train, "--lr", lr, "--save", name, *more)
            moved[name] = weights(self.folder / name)
        gradients = [[a - b for a, b in zip(moved[name], moved["start"])] for name in ("one", "many")]
        apart = distance(*gradients)
        self.check(apart < 1e-5, f"batch norm over all machines: one step's gradients {apart:.1e} from one process's")

    def search(self):
        search = ("search --data glyphs --limit 600 --device cpu --threads 1 --seed 3 --model autosize-mlp --max-epochs "
                  "20 --patience 20 --evaluations 14 --json").split()
        self.alone(*search, "--study", "one.db")
        wanted = self.trials("one.db")
        self.together(*search, "--study", "many.db")
        self.check(self.trials("many.db") == wanted, f"a study of {len(wanted)} trials is that of one process")
        killed = subprocess.Popen([*self.launcher, self.options.program, *search, "--study", "killed.db"],
                                  cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                                  start_new_session=True)
        for line in killed.stdout:
            if '"event":"evaluation"' in line:
                break
        victims = run("ip", "netns", "pids", self.network.names[2], stdout=subprocess.PIPE, text=True).stdout.split()
        ranks = [int(pid) for pid in victims
                 if os.path.realpath(f"/proc/{pid}/exe") == os.path.realpath(self.options.program)]
        os.kill(ranks[0], signal.SIGKILL)
        killed.stdout.read()
        ended = killed.wait(timeout=60)
        done, begun = self.trials("killed.db"), 0
        for state in ("running", "waiting"):
            begun += len(self.trials("killed.db", state))
        self.check(ended != 0, f"a machine's rank killed: the job ends; {len(done)} trials complete, {begun} begun")
        time.sleep(1)
        self.together(*search, "--study", "killed.db")
        again = len(self.trials("killed.db", "failed"))
        self.check(self.trials("killed.db") == wanted, "after a rerun the study is that of one process")
        self.check(again == begun, f"{again} trials were redone")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default=str(ROOT / "build" / "auxo"))
    parser.add_argument("--machines", type=int, default=4)
    options = parser.parse_args()
    options.program = os.path.abspath(options.program)
    if os.geteuid() != 0 or not shutil.which("ip") or not shutil.which("mpirun"):
        print("mpi_machines: SKIPPED, needs root, iproute2 and Open MPI")
        return 77
    try:
        with Network(options.machines) as network, tempfile.TemporaryDirectory() as folder:
            campaign = Campaign(options, network, folder)
            campaign.train()
            campaign.norm()
            campaign.search()
    except subprocess.CalledProcessError as failure:
        if failure.cmd[:2] == ["ip", "netns"] and "exec" not in failure.cmd:
            print("mpi_machines: SKIPPED, this system allows no network namespaces")
            return 77
        raise
    print(f"mpi_machines: {options.machines} machines over TCP, {len(campaign.faults)} faults")
    return 1 if campaign.faults else 0


if __name__ == "__main__":
    sys.exit(main())
