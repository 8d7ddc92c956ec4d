#pragma once

#include <memory>
#include <string>

#include <sys/stat.h>
#include <sys/types.h>

#include "base/result.h"
#include "sys/fd.h"

namespace xsv::scribe {

/// A name in a directory that is held open: what happens to the path meanwhile does not matter (rule L3).
struct Place {
    std::shared_ptr<sys::UniqueFd> directory;
    std::string name;

    /// "NAME.3"; 0 is the name itself
    std::string numbered(int number) const;
    /// An existing regular file or /dev/null, for reading; ENOENT in Error::code when there is none.
    Result<sys::UniqueFd> open_for_reading() const;
    /// A new file; fails when the name exists.
    Result<sys::UniqueFd> create(mode_t mode) const;
    /// Removes the file; there being none is fine, another kind of file is not.
    Status remove() const;
    bool holds(int fd) const;  ///< is this descriptor's file the one that has the name now?
};

/// Where the file stands: behind root's own links, and none where others could have changed the way (rule L2).
Result<Place> find_place(const std::string& path);

bool is_null_device(const struct stat& status);  ///< /dev/null, whatever its name: a file that is always empty

/// Renames NAME.1 … upwards (the one numbered `backups` goes), then NAME to NAME.1. Missing files are tolerated.
Status rotate(const Place& place, int backups);

}  // namespace xsv::scribe
