#include "base/text.h"
#include "config/import.h"
#include "sys/files.h"
#include "xsvctl/commands.h"
#include "xsvctl/refusal.h"

namespace xsv::xsvctl {
namespace {

/// What was typed behind "import".
struct Wish {
    std::vector<std::string> files;
    std::optional<config::Dialect> dialect;
    config::TranslationRules rules;
};

Result<Wish> parse_wish(const std::string& arguments)
{
    Wish wish;
    const auto words = text::words(arguments);
    for (std::size_t i = 0; i < words.size(); ++i) {
        if (words[i] == "--unsafe") {
            wish.rules.unsafe = true;
        } else if (words[i] == "--from" || words[i].starts_with("--from=")) {
            const bool separate = words[i] == "--from";
            if (separate && i + 1 == words.size()) return fail("--from needs xinetd, inetd or systemd");
            auto dialect = config::dialect_of(separate ? words[++i] : words[i].substr(7));
            if (!dialect) return wrap(dialect, "--from");
            wish.dialect = *dialect;
        } else if (words[i].starts_with("--")) {
            return fail("unknown option {}", words[i]);
        } else {
            wish.files.push_back(words[i]);
        }
    }
    return wish;
}

struct Files {
    config::ForeignFiles good;
    std::vector<std::string> errors;   ///< one for each that cannot be read or is none of these dialects
};

Result<config::Dialect> dialect_of(const std::string& file, const Wish& wish, const config::Surroundings& surroundings)
{
    const auto content = surroundings.read(file);
    if (!content) return tl::unexpected(content.error());
    return wish.dialect ? Result<config::Dialect>(*wish.dialect) : config::guess_dialect(file, *content);
}

Files sort_by_dialect(const Wish& wish, const config::Surroundings& surroundings)
{
    Files files;
    for (const std::string& name : wish.files) {
        const std::string file = surroundings.absolute(name);
        const auto dialect = dialect_of(file, wish, surroundings);
        if (dialect) files.good[*dialect].push_back(file);
        else files.errors.push_back(dialect.error().message);
    }
    return files;
}

/// Not on stdout, which most often becomes a configuration. `alone`: nothing else is said, in JSON neither.
void complain(Session& session, const std::vector<std::string>& errors, bool alone)
{
    for (const std::string& error : errors) {
        if (!session.out.is_json()) session.hint("ERROR: " + error);
        else if (alone) session.error("ERROR: " + error);
        session.exit_status = exit_code::kGeneric;
    }
}

}  // namespace

Outcome commands::import(Session& session, const std::string& arguments)
{
    const auto wish = parse_wish(arguments);
    if (wish && wish->files.empty()) return complain_about_usage(session, "import");
    config::Surroundings surroundings = config::Surroundings::real();
    // Nothing is started: anybody may have written the files.
    surroundings.read = [](const std::string& path) { return sys::read_config_file(path, false); };
    const Files files = wish ? sort_by_dialect(*wish, surroundings) : Files{{}, {wish.error().message}};
    complain(session, files.errors, files.good.empty());
    if (files.good.empty()) return {};
    const config::Import import = config::import_files(files.good, surroundings, wish->rules);
    session.out.text(import.text);
    session.out.value(wire::Value::Struct{{"configuration", import.text},
                                          {"programs", static_cast<std::int64_t>(import.carried)},
                                          {"not_carried_over", static_cast<std::int64_t>(import.left)},
                                          {"errors", wire::Value::Array(files.errors.begin(), files.errors.end())}});
    if (import.left == 0) return {};
    session.hint(fmt::format("{} not carried over; the comments say why", import.left));
    session.exit_status = exit_code::kGeneric;
    return {};
}

}  // namespace xsv::xsvctl
