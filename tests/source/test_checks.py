#!/usr/bin/python3
"""The checks of this folder find what they are there for, and nothing else."""
import unittest
from pathlib import Path

import include_map
import source_rules
from cpp_text import strip

MAP = """## The map
```
base/   words everyone shares          (libraries only)
wire/   bytes <-> values               base
event/  libevent, behind Loop          base
guardian/  -> xsvd  holds descriptors  libc and wire/guardian.h
daemon/  -> xsvd-engine  wiring        all above but guardian
```
"""


def found(text, path="src/net/x.cpp"):
    text = strip(text)
    rules = (source_rules.descriptor_rules, source_rules.process_rules, source_rules.clock_rules,
             source_rules.guardian_rules)
    return [what for rule in rules for _, what in rule(Path(path), text)]


class SourceRules(unittest.TestCase):
    def test_descriptors_without_close_on_exec_are_found(self):
        for line in ("int fd = socket(AF_UNIX, SOCK_STREAM, 0);", "auto fd = ::open(path, O_RDONLY);",
                     "return accept4(fd, nullptr, nullptr, SOCK_NONBLOCK);", "if (::pipe(fds) < 0) return;",
                     "int d = dup(fd);", "fcntl(fd, F_DUPFD, 3);", "::recvmsg(fd, &m, MSG_DONTWAIT);",
                     "UniqueFd f{::openat(dir, name, O_PATH)};", "int e = epoll_create1(0);", "FILE* f = fopen(p, \"r\");",
                     "int flags = O_RDONLY;\n auto fd = ::open(path, flags);"):
            with self.subTest(line):
                self.assertEqual(len(found(line)), 1)

    def test_descriptors_with_close_on_exec_and_our_own_functions_pass(self):
        for line in ("int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);",
                     "auto fd = ::open(path, O_RDONLY | O_CLOEXEC);", "// open(path, O_RDONLY)",
                     "const int flags = O_RDWR | O_CLOEXEC;\n auto fd = ::open(path, flags);",
                     "static Result<Listener> open(Sockets& s, const Endpoint& e);", "auto l = Listener::open(s, e);",
                     "processes_.open(pid);", "log::open(settings);", 'fail("pipe(2) failed");',
                     "virtual Result<UniqueFd> open(pid_t pid) = 0;", "class P {\n void accept(Call c);\n void f() { return accept(c); }\n};",
                     "::fcntl(fd, F_DUPFD_CLOEXEC, 3);"):
            with self.subTest(line):
                self.assertEqual(found(line), [])

    def test_processes_and_clocks(self):   # B35: nothing but stamps of time reads the wall clock
        self.assertEqual(len(found("::execve(path, argv, envp);")), 1)
        self.assertEqual(len(found("const pid_t pid = fork();")), 1)
        self.assertEqual(len(found("::syscall(SYS_clone3, &a, sizeof a);")), 1)
        self.assertEqual(found("::execve(path, argv, envp);", "src/sys/processes.cpp"), [])
        self.assertEqual(len(found("clock_gettime(CLOCK_REALTIME, &t);")), 1)
        self.assertEqual(len(found("auto t = std::chrono::system_clock::now();")), 1)
        self.assertEqual(len(found("srand(time(nullptr));")), 1)
        self.assertEqual(found("auto t = time(nullptr);", "src/base/time.cpp"), [])

    def test_the_guardian_has_no_heap(self):
        self.assertEqual(len(found("char* p = malloc(7);", "src/guardian/main.cpp")), 1)
        self.assertEqual(len(found("auto* p = new Packet;", "src/guardian/main.cpp")), 1)
        self.assertEqual(found("// a new one\nint n = 0;", "src/guardian/main.cpp"), [])


class IncludeMap(unittest.TestCase):
    def setUp(self):
        self.allowed = include_map.read_map(MAP)

    def wrong(self, place, kind, header):
        return include_map.check(place, kind, header, self.allowed) is not None

    def test_the_map_is_read(self):
        self.assertEqual(self.allowed["wire"], {"base"})
        self.assertEqual(self.allowed["daemon"], {"base", "wire", "event"})

    def test_folders(self):
        self.assertFalse(self.wrong("wire/value.cpp", '"', "base/text.h"))
        self.assertFalse(self.wrong("wire/value.cpp", '"', "wire/value.h"))
        self.assertTrue(self.wrong("base/text.cpp", '"', "wire/value.h"))
        self.assertTrue(self.wrong("wire/value.cpp", '"', "event/loop.h"))
        self.assertTrue(self.wrong("wire/value.cpp", '"', "value.h"))
        self.assertFalse(self.wrong("guardian/main.cpp", '"', "wire/guardian.h"))
        self.assertTrue(self.wrong("guardian/main.cpp", '"', "base/text.h"))
        self.assertTrue(self.wrong("guardian/main.cpp", "<", "cstdint"))
        self.assertFalse(self.wrong("guardian/main.cpp", "<", "sys/wait.h"))

    def test_libraries(self):
        self.assertFalse(self.wrong("event/loop.cpp", "<", "event2/event.h"))
        self.assertTrue(self.wrong("wire/value.cpp", "<", "event2/event.h"))
        self.assertTrue(self.wrong("base/text.cpp", "<", "spdlog/spdlog.h"))
        self.assertFalse(self.wrong("base/text.cpp", "<", "fmt/core.h"))
        self.assertTrue(self.wrong("wire/value.cpp", "<", "zlib/zlib.h"))


if __name__ == "__main__":
    unittest.main()
