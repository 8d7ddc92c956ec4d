#pragma once

namespace xsv::web {

/// What this process gives up before it reads a stranger's first byte: new privileges, core dumps with passwords in
/// them, writing files, more descriptors than its clients need. The signals of a terminal are left to the engine.
void restrict_process();

}  // namespace xsv::web
