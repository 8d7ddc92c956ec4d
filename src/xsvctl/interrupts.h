#pragma once

#include <signal.h>

#include "sys/fd.h"

namespace xsv::xsvctl {

/// While it lives, Ctrl-C makes a descriptor readable instead of ending the program.
class Interrupts {
public:
    Interrupts();
    ~Interrupts();
    Interrupts(const Interrupts&) = delete;
    Interrupts& operator=(const Interrupts&) = delete;
    int fd() const { return fd_.get(); }

private:
    sigset_t before_{};
    sys::UniqueFd fd_;
};

}  // namespace xsv::xsvctl
