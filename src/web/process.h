#pragma once

#include <string>
#include <vector>

namespace xsv::web {

/// Gives up for good what this process needs no more, before it reads a stranger's first byte: its user, the file system,
/// capabilities, every system call but those that move bytes, memory and descriptors beyond what its clients need, core
/// dumps with passwords in them. The signals of a terminal are left to the engine.
///
/// Returns what could not be given up, each as a sentence for the log; an ordinary user's process keeps its user and, but for
/// the system calls, its root.
std::vector<std::string> confine_process();

}  // namespace xsv::web
