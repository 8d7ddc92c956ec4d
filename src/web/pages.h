#pragma once

#include "web/message.h"
#include "wire/value.h"

namespace xsv::web {

/// The programs as a table, from the answer of supervisor.getAllProcessInfo. Plain HTML, no script, no style.
Answer status_page(const wire::Value& processes);

}  // namespace xsv::web
