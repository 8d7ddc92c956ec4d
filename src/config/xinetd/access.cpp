#include <algorithm>

#include "base/text.h"
#include "config/hosts_access.h"
#include "config/xinetd/addresses.h"
#include "config/xinetd/draft.h"

/// Who may come in: only_from, no_access, tcp wrappers.
namespace xsv::config::xinetd {
namespace {

class AccessWriter {
public:
    AccessWriter(Draft& draft, HostsAccess& wrappers) : draft_(draft), wrappers_(wrappers) {}

    void run()
    {
        if (draft_.section.has("deny_from")) return;   // nobody comes in anyway
        AccessLists lists;
        lists.has_allow = !draft_.list("only_from").empty();
        lists.allow = read("only_from", allow_place_);
        lists.deny = read("no_access", deny_place_);
        if (lists.has_allow && lists.allow.empty())
            draft_.service.remark(left_out_ ? Remark::Weight::Mistake : Remark::Weight::Note, allow_place_, "only_from", "an empty list lets nobody in");
        ask_wrappers(lists);
        lists.write(draft_.section, allow_place_, deny_place_);
        if (draft_.wait && draft_.is_stream() && lists.has_allow)
            draft_.service.remark(Remark::Weight::Note, allow_place_, "only_from", "callers are checked; xinetd does not know those of a server with wait = yes");
    }

private:
    std::vector<std::string> read(const std::string& name, Place& place)
    {
        std::vector<std::string> rules;
        for (const Attribute& line : draft_.list(name)) {
            place = line.place;
            if (line.op == Operator::Set) rules.clear();
            for (const std::string& word : line.values) take(line, word, rules);
        }
        return rules;
    }

    void take(const Attribute& line, const std::string& word, std::vector<std::string>& rules)
    {
        const auto parsed = parse_address_word(text::escape_control(word), draft_.surroundings);
        if (!parsed) return draft_.mistake(line, parsed.error().message);
        if (parsed->is_unknown && line.name != "only_from" && line.op != Operator::Remove) return draft_.mistake(line, parsed->remark);
        // Of an unknown host the native key warns.
        if (!parsed->remark.empty() && !parsed->is_unknown) draft_.warning(line, parsed->remark);
        if (parsed->kind == AddressWord::Kind::Domain) return refuse_domain(line, word);
        if (parsed->kind == AddressWord::Kind::Host && !parsed->is_unknown)
            draft_.note(line, fmt::format("'{}' means its addresses, now {}; callers' names are not looked up", word, text::join(parsed->rules, ", ")));
        std::vector<std::string> found = parsed->rules;
        if (parsed->kind == AddressWord::Kind::Host && sys::is_host_name(word)) found = {word};
        if (parsed->covers_mapped && !draft_.has_flag("ipv4")) found.emplace_back("0.0.0.0/0");
        for (const std::string& rule : found) {
            std::erase(rules, rule);
            if (line.op != Operator::Remove) rules.push_back(rule);
        }
    }

    /// Without it fewer callers come in, so only_from may have it; no_access would let them in.
    void refuse_domain(const Attribute& line, const std::string& word)
    {
        const std::string text = fmt::format("'{}' is not supported: callers' names are not looked up", word);
        if (line.op == Operator::Remove) return;
        left_out_ = true;
        if (line.name == "only_from") draft_.warning(line, text);
        else draft_.mistake(line, text);
    }

    std::string server_name() const
    {
        if (const Attribute* name = draft_.find("libwrap")) return name->values[0];
        const Attribute* const server = draft_.find("server");
        if (draft_.is_internal() || draft_.find("redirect") != nullptr || server == nullptr) return draft_.service.name;
        const Attribute* const arguments = draft_.find("server_args");
        const bool named = draft_.has_flag("nameinargs") && arguments != nullptr && !arguments->values.empty();
        const std::string& path = named ? arguments->values[0] : server->values[0];
        return path.substr(path.rfind('/') + 1);
    }

    void ask_wrappers(AccessLists& lists)
    {
        if (draft_.has_flag("nolibwrap")) return;
        const auto decision = wrappers_.decide(server_name());
        for (const Remark& remark : decision.remarks) draft_.service.remarks.push_back(remark);
        if (!decision.allowed) return;
        const bool had_allow = lists.has_allow, had_deny = !lists.deny.empty();
        lists.restrict_to(*decision.allowed);
        if (!had_allow && lists.has_allow) allow_place_ = decision.place;
        if (!had_deny) deny_place_ = decision.place;
    }

    Draft& draft_;
    HostsAccess& wrappers_;
    Place allow_place_, deny_place_;
    bool left_out_ = false;   // a domain
};

}  // namespace

void write_access(Draft& draft, HostsAccess& wrappers)
{
    AccessWriter(draft, wrappers).run();
}

}  // namespace xsv::config::xinetd
