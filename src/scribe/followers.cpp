#include "scribe/followers.h"

#include <algorithm>

namespace xsv::scribe {
namespace {

constexpr Duration kLookPeriod = std::chrono::milliseconds(200);

}  // namespace

Followers::Followers(event::Loop& loop, FindTarget find_target) : loop_(loop), find_target_(std::move(find_target)) {}

void Followers::add(const std::string& file, sys::UniqueFd pipe)
{
    if (!pipe) return;
    auto self = std::make_shared<const Follower*>(nullptr);
    auto follower = std::make_unique<Follower>(loop_, file, std::move(pipe), [this, self] { remove(*self); });
    *self = follower.get();
    Follower& added = *follower;
    followers_.push_back(std::move(follower));
    attach(file);
    added.pump();
}

void Followers::remove(const Follower* follower)
{
    const std::string file = follower->file();
    followers_.remove_if([&](const auto& each) { return each.get() == follower; });
    attach(file);
}

void Followers::attach(const std::string& file)
{
    const bool followed =
        std::any_of(followers_.begin(), followers_.end(), [&](const auto& each) { return each->file() == file; });
    if (const auto target = find_target_(file)) {
        target->on_growth = followed ? [this, file] { pump(file, false); } : std::function<void()>();
        target->on_replaced = followed ? [this, file] { pump(file, true); } : std::function<void()>();
    }
    if (followers_.empty()) {
        timer_.reset();
    } else if (!timer_) {
        timer_ = loop_.every(kLookPeriod, "followers", [this] {
            for (const auto& each : followers_) each->pump();
        });
    }
}

void Followers::pump(const std::string& file, bool replaced)
{
    for (const auto& follower : followers_) {
        if (follower->file() != file) continue;
        if (replaced)
            follower->replaced();
        else
            follower->pump();
    }
}

}  // namespace xsv::scribe
