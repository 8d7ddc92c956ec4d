#include "scribe/reader.h"

#include <algorithm>
#include <cerrno>

#include <sys/stat.h>
#include <unistd.h>

#include "base/result.h"
#include "scribe/place.h"

namespace xsv::scribe {
namespace {

struct OpenLog {
    sys::UniqueFd fd;
    std::int64_t size = 0;
};

Result<OpenLog> open_log(const std::string& file)
{
    auto place = find_place(file);
    if (!place) return wrap(place, file);
    auto fd = place->open_for_reading();
    if (!fd) return wrap(fd, file);
    struct stat status {};
    if (::fstat(fd->get(), &status) < 0) return fail_errno(file, errno);
    return OpenLog{std::move(*fd), status.st_size};
}

/// Of a missing file Supervisor tells the name and no more.
Answer refused(const std::string& file, const Error& error)
{
    if (error.code == ENOENT) return {false, kNoFile, file, 0, false};
    return {false, kFailed, error.message, 0, false};
}

Result<std::string> bytes_at(const OpenLog& log, std::int64_t offset, std::int64_t length)
{
    offset = std::max<std::int64_t>(offset, 0);
    length = std::clamp<std::int64_t>(std::min(length, log.size - offset), 0, kMaxText);
    std::string bytes(static_cast<std::size_t>(length), '\0');
    std::size_t done = 0;
    while (done < bytes.size()) {
        const ssize_t count =
            ::pread(log.fd.get(), bytes.data() + done, bytes.size() - done, offset + static_cast<std::int64_t>(done));
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return fail_errno("reading", errno);
        if (count == 0) break;  // truncated meanwhile
        done += static_cast<std::size_t>(count);
    }
    bytes.resize(done);
    return bytes;
}

Answer with_text(Result<std::string> bytes, std::int64_t offset, bool overflow)
{
    if (!bytes) return {false, kFailed, bytes.error().message, 0, false};
    return {true, 0, std::move(*bytes), offset, overflow};
}

}  // namespace

Answer read_log(const std::string& file, std::int64_t offset, std::int64_t length)
{
    const auto log = open_log(file);
    const bool is_missing = !log && log.error().code == ENOENT;
    if (!is_missing && (offset < 0 ? length != 0 : length < 0)) return {false, kBadArguments, "", 0, false};
    if (!log) return refused(file, log.error());
    if (offset < 0) {
        // the smallest number has no positive counterpart
        const std::int64_t wanted = std::min(offset == INT64_MIN ? INT64_MAX : -offset, std::min(log->size, kMaxText));
        return with_text(bytes_at(*log, log->size - wanted, wanted), log->size, false);
    }
    return with_text(bytes_at(*log, offset, length == 0 ? kMaxText : length), log->size, false);
}

Answer tail_log(const std::string& file, std::int64_t offset, std::int64_t length)
{
    const auto log = open_log(file);
    if (!log) return refused(file, log.error());
    constexpr std::int64_t kFar = INT64_MAX / 4;  // sums stay in range
    offset = std::clamp(offset, -kFar, kFar);
    length = std::clamp(length, -kFar, kFar);
    const bool overflow = log->size > offset + length;
    length = std::min(length, kMaxText);
    if (overflow) offset = log->size - 1;
    if (offset + length > log->size) {
        if (offset > log->size - 1) length = 0;
        offset = log->size - length;
    } else if (offset + length < log->size && !overflow) {
        offset = log->size - length;  // only a length that was cut to the limit of an answer comes here
    }
    return with_text(bytes_at(*log, offset, std::max<std::int64_t>(length, 0)), log->size, overflow);
}

}  // namespace xsv::scribe
