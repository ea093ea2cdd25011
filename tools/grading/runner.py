"""The process inside the sandbox: a job a line in, a reply a line out, each job in a fork.

It is started alone, beside `companion`, with one argument, a JSON object:

    preload     packages to import before the first job, so that no fork imports them again
    memory      bytes of address space that a process may take beyond what the imports took
    processes   how many processes and threads may exist
    file        bytes of the largest file
    apart       whether this is a process namespace of its own

Student code can do to this process what it likes: nothing that leaves the sandbox is trusted, and
what comes in is only what the student may see at that moment.
"""

import importlib
import json
import os
import resource
import signal
import sys
import time

from companion.exercises import worker


def limit_resources(settings: dict) -> None:
    """Set the limits for this process and all it starts; nothing inside can lift them."""
    with open("/proc/self/statm", encoding="ascii") as file:
        taken = int(file.read().split()[0]) * resource.getpagesize()
    limits = {
        resource.RLIMIT_AS: taken + settings["memory"],
        resource.RLIMIT_FSIZE: settings["file"],
        resource.RLIMIT_CORE: 0,
    }
    if settings["apart"]:  # elsewhere this would count all processes of the user
        limits[resource.RLIMIT_NPROC] = settings["processes"]
    for which, most in limits.items():
        resource.setrlimit(which, (most, most))


def end_stragglers() -> None:
    """End every process of this namespace but the first and this one."""
    for _ in range(50):
        try:
            os.kill(-1, signal.SIGKILL)
        except ProcessLookupError:
            return
        time.sleep(0.01)


def main() -> None:
    """Serve jobs until standard input ends."""
    settings = json.loads(sys.argv[1])
    for name in settings["preload"]:
        module = importlib.import_module(name)
        if name == "torch":
            module.set_num_threads(1)
    limit_resources(settings)
    replies = os.fdopen(os.dup(1), "w")
    nowhere = os.open(os.devnull, os.O_RDWR)
    # Standard error has carried what kept this process from starting; nobody reads it any more.
    for stream in (1, 2):
        os.dup2(nowhere, stream)
    replies.write(json.dumps({"ready": True}) + "\n")
    replies.flush()
    # In the namespace that bubblewrap makes this is the second process. Anywhere else `kill(-1)`
    # would end what is not ours.
    alone = settings["apart"] and os.getpid() == 2
    for line in sys.stdin:
        job = json.loads(line)
        name = job.pop("name")
        reply = worker.run_in_fork(job) | {"name": name}
        if alone:
            end_stragglers()
        replies.write(json.dumps(reply) + "\n")
        replies.flush()


if __name__ == "__main__":
    main()
