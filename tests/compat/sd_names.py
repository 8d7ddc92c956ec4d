"""Tells, through systemd's own library, which sockets it was passed: one line "FD NAME" for each, to the file $1; then serves one caller."""

import ctypes
import os
import socket
import sys


def main():
    library = ctypes.CDLL("libsystemd.so.0")
    names = ctypes.POINTER(ctypes.c_char_p)()
    count = library.sd_listen_fds_with_names(0, ctypes.byref(names))
    lines = [f"{3 + i} {names[i].decode()} {library.sd_is_socket(3 + i, 0, socket.SOCK_STREAM, 1)}\n" for i in range(count)]
    with open(sys.argv[1] + ".new", "w", encoding="utf-8") as file:
        file.writelines(lines)
    os.rename(sys.argv[1] + ".new", sys.argv[1])
    listener = socket.socket(fileno=3)
    listener.setblocking(True)
    connection, _ = listener.accept()
    connection.sendall(b"served\n")


if __name__ == "__main__":
    main()
