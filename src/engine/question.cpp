#include "engine/question.h"

#include <algorithm>
#include <array>
#include <cerrno>

#include <fcntl.h>
#include <unistd.h>

namespace xsv::engine {

Result<std::unique_ptr<Question>> Question::ask(Context& context, Program program, std::size_t most, Answered answered)
{
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0) return fail_errno("pipe", errno);
    sys::UniqueFd reader(ends[0]), writer(ends[1]);
    const Surroundings& surroundings = context.surroundings;
    std::unique_ptr<Question> question(new Question(program.argv.front(), most, std::move(answered)));
    sys::ChildPlan plan;
    plan.path = std::move(program.path);
    plan.argv = std::move(program.argv);
    if (program.user) {
        plan.uid = program.user->uid;
        plan.gid = program.user->gid;
        plan.groups = program.user->groups;
    }
    plan.moves = {{surroundings.null, 0}, {writer.get(), 1}, {surroundings.null, 2}};
    sys::ChildReport report{};
    const auto prepared = context.processes.prepare(std::move(plan));
    auto spawned = context.processes.spawn(*prepared, report);
    if (!spawned) return wrap(spawned, question->name_);
    question->pid_ = spawned->pid;
    question->reader_ = std::move(reader);
    question->watch_ = context.loop.readable(question->reader_.get(), question->name_, [q = question.get()] { q->read(); });
    return question;
}

void Question::read()
{
    std::array<char, 4096> buffer;
    const auto count = ::read(reader_.get(), buffer.data(), buffer.size());
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (count > 0) return void(text_.append(buffer.data(), std::min(static_cast<std::size_t>(count), most_ - text_.size())));
    watch_.reset();
    const Answered answered = std::move(answered_);
    answered(std::move(text_));  // we may be gone afterwards
}

}  // namespace xsv::engine
