"""An event listener that records what it is told: listener.py FILE [MODE]

Each event becomes a line [header, payload] in FILE. MODE: "reject" fails the first event, "garbage" says something that is
no answer after the first, "wait" answers once FILE.go exists, "term" ends the daemon at the first event as crashmail's
relatives do, "mute" never says READY, "refuse" fails every event and records none, "shut0" closes its stdin ("shut1" does not)."""
import json
import os
import signal
import sys
import time


def say(text):
    os.write(1, text.encode())


def main():
    path, mode = sys.argv[1], (sys.argv[2:] or ["ok"])[0]
    if mode == "mute":
        time.sleep(3600)
    if mode == "shut0":
        os.close(0)
        say("READY\n")
        time.sleep(3600)
    count = 0
    while True:
        say("READY\n")
        line = sys.stdin.buffer.readline()
        if not line:
            return
        header = dict(part.split(":", 1) for part in line.decode().split())
        payload = sys.stdin.buffer.read(int(header["len"]))
        if mode != "refuse":
            with open(path, "a", encoding="utf-8") as file:
                file.write(json.dumps([header, payload.decode("utf-8", "replace")]) + "\n")
        count += 1
        if mode == "term" and count == 1:
            os.kill(os.getppid(), signal.SIGTERM)
        while mode == "wait" and not os.path.exists(path + ".go"):
            time.sleep(0.01)
        if mode == "garbage":
            say("what?\n")
        elif mode == "refuse" or (mode == "reject" and count == 1):
            say("RESULT 4\nFAIL")
        else:
            say("RESULT 2\nOK")


if __name__ == "__main__":
    main()
