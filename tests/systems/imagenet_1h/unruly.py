"""A worker that does as its argument says, without PyTorch: what `test_launch.py` launches."""

import json
import os
import signal
import sys
import time


def main():
    rank = int(os.environ["RANK"])
    record = {"event": "start", "life": 0, "rank": rank, "pid": os.getpid()}
    if sys.argv[1] == "hang":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    print(json.dumps(record), flush=True)
    if sys.argv[1] == "hang":
        time.sleep(300)
    if rank == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(300)


main()
