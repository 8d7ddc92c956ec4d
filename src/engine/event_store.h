#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "sys/fd.h"
#include "wire/value.h"

namespace xsv::engine {

/// What has happened to the events, as a list of records in memory that outlives the engine (the guardian has a
/// duplicate of the descriptor). A batch of records counts once commit() returns, and is not there at all before.
class EventStore {
public:
    static constexpr std::size_t kMostBytes = 512u << 20;

    static Result<EventStore> create(std::size_t most = kMostBytes);
    explicit EventStore(sys::UniqueFd fd, std::size_t most = kMostBytes) : fd_(std::move(fd)), most_(most) {}

    /// The records a former engine committed. Not to be trusted: sizes are checked, and the first record that is none ends
    /// the list with an error.
    Result<std::vector<wire::Value>> read();
    void append(const wire::Value& record);
    /// An error: of the batch nothing is there, what was committed before is. So also when it would be more than a successor
    /// reads.
    Status commit();
    std::size_t size() const { return committed_ + batch_.size(); }
    int fd() const { return fd_.get(); }

private:
    sys::UniqueFd fd_;
    std::size_t most_;
    std::size_t committed_ = 0;   ///< bytes behind the head
    bool is_full_ = false;        ///< something did not fit into the batch
    std::string batch_;
};

/// Bytes on their way into a program's stdin. splice() moves them into the pipe and moves the file's position in one
/// system call, and the position belongs to the descriptor that the guardian has too: whoever is killed leaves an exact
/// account of what is still to be sent.
class Outbox {
public:
    static Result<Outbox> create();
    explicit Outbox(sys::UniqueFd fd) : fd_(std::move(fd)) {}

    bool is_empty() const;
    Status put(std::string_view bytes);   ///< behind what is there, whole or not at all
    void clear();
    /// As much as the pipe takes. True: it is empty now.
    Result<bool> push(int pipe);
    int fd() const { return fd_.get(); }

private:
    sys::UniqueFd fd_;
};

}  // namespace xsv::engine
