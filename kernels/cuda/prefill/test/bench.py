"""Checks and times prefill kernels on a Hopper GPU: python3 bench.py CUBIN_FOLDER SECONDS_FOR_A_JOB JOB ...

Jobs run one after another in a worker; a worker that hangs or breaks its context is ended and the next job gets a new one. A job is
skipped aloud if its variant failed its check.
"""

import os
import queue
import subprocess
import sys
import threading
import time


class Worker:
    def __init__(self, folder):
        script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "worker.py")
        self.process = subprocess.Popen([sys.executable, "-u", script, folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, text=True, bufsize=1)
        self.lines = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.put(line.rstrip("\n"))
        self.lines.put("GONE")

    def run(self, job, seconds):
        """Prints the job's lines; True if the worker can go on, and whether the job went well."""
        self.process.stdin.write(job + "\n")
        end = time.monotonic() + seconds
        good = True
        while True:
            try:
                line = self.lines.get(timeout=max(0.1, end - time.monotonic()))
            except queue.Empty:
                print(f"  HANGS: {job} took more than {seconds} s", flush=True)
                self.process.kill()
                return False, False
            if line == "DONE":
                return True, good
            if line in ("BROKEN", "GONE"):
                self.process.kill()
                return False, False
            good = good and "FAILED" not in line
            print(line, flush=True)


def main():
    folder, seconds, jobs = sys.argv[1], float(sys.argv[2]), sys.argv[3:]
    worker = None
    broken = set()
    hangs = 0
    for job in jobs:
        words = job.split()
        if words[0] == "time":
            kept = [name for name in words[2].split(",") if name not in broken]
            skipped = [name for name in words[2].split(",") if name in broken]
            if skipped:
                print("  not timed, failed its check: " + " ".join(skipped))
            if not kept:
                continue
            job = f"time {words[1]} {','.join(kept)}"
        begin = time.monotonic()
        print(f"[{job}]", flush=True)
        fresh = worker is None
        worker = worker or Worker(folder)
        alive, good = worker.run(job, seconds + (40 if fresh else 0))
        if words[0] == "check" and not good:
            broken.add(words[1])
        if not alive:
            worker = None
            hangs += 1
            if hangs == 3:
                sys.exit("three jobs hung or broke their context: giving the device back")
        print(f"  ({time.monotonic() - begin:.1f} s)", flush=True)
    if worker:
        worker.process.stdin.close()
        worker.process.wait(timeout=30)


main()
