#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace xsv::log {

/// The file behind the daemon's own log: appended to, rotated to NAME.1 … NAME.N as Supervisor does.
///
/// Nothing here blocks on a pipe or fails loudly after the file was opened: a line that cannot be written is gone.
/// "/dev/stdout" and "/dev/stderr" mean this process's own, and are never rotated.
class LogFile {
public:
    LogFile() = default;
    LogFile(const LogFile&) = delete;
    LogFile& operator=(const LogFile&) = delete;
    ~LogFile() { close(); }

    Status open(const std::string& path, std::int64_t maxbytes, int backups);
    void write(std::string_view bytes) noexcept;
    Status reopen();  ///< keeps the old file when the new one cannot be opened
    Status clear();   ///< unlinks the file and opens a new one
    bool rotates() const noexcept { return regular_ && maxbytes_ > 0; }

private:
    void close() noexcept;
    void rotate() noexcept;
    std::string numbered(int number) const;

    std::string path_;
    std::string name_;  // below directory_
    int directory_ = -1;
    int fd_ = -1;
    bool regular_ = false;
    std::int64_t maxbytes_ = 0;
    int backups_ = 0;
};

}  // namespace xsv::log
