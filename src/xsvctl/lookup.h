#pragma once

#include <string>
#include <string_view>

#include "xsvctl/session.h"

namespace xsv::xsvctl {

/// What a name that no process has may mean.
struct Meaning {
    std::string name;  ///< the one process meant, complete; empty: none, or more than one
    std::string hint;  ///< what to type instead; may be empty
};

/// `all` has the members group and name of every process. A process may be called by its bare name where no other group has
/// one of that name; GROUP:NAME and Supervisor's own reading of a bare name come before.
Meaning meaning_of(const wire::Value::Array& all, std::string_view text);

/// Calls a method whose first parameter is a process. As xsvctl, a bare name that is unknown is completed (`name` changes) and
/// the method called again; what else is known about an unknown name is said on stderr.
Answer call_about(Session& session, std::string_view method, std::string& name, const wire::Value::Array& more = {},
                  bool repeatable = true);

/// Bare names completed, before anything is done with them; the names unchanged when the daemon does not answer.
std::vector<std::string> complete_names(Session& session, std::vector<std::string> names);

}  // namespace xsv::xsvctl
