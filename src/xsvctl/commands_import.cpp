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

/// Not on stdout, which most often becomes a configuration.
void complain(Session& session, const Error& error)
{
    if (session.out.is_json()) session.error("ERROR: " + error.message);
    else session.hint("ERROR: " + error.message);
    session.exit_status = exit_code::kGeneric;
}

Result<config::Dialect> dialect_of(const std::string& file, const Wish& wish, const config::Surroundings& surroundings)
{
    const auto content = surroundings.read(file);
    if (!content) return tl::unexpected(content.error());
    return wish.dialect ? Result<config::Dialect>(*wish.dialect) : config::guess_dialect(file, *content);
}

/// Without those that cannot be read or are none of these dialects; each has had its error.
config::ForeignFiles sort_by_dialect(Session& session, const Wish& wish, const config::Surroundings& surroundings)
{
    config::ForeignFiles files;
    for (const std::string& name : wish.files) {
        const std::string file = surroundings.absolute(name);
        const auto dialect = dialect_of(file, wish, surroundings);
        if (dialect) files[*dialect].push_back(file);
        else complain(session, dialect.error());
    }
    return files;
}

}  // namespace

Outcome commands::import(Session& session, const std::string& arguments)
{
    const auto wish = parse_wish(arguments);
    if (wish && wish->files.empty()) return complain_about_usage(session, "import");
    config::Surroundings surroundings = config::Surroundings::real();
    // Nothing is started: anybody may have written the files.
    surroundings.read = [](const std::string& path) { return sys::read_config_file(path, false); };
    if (!wish) {
        complain(session, wish.error());
        return {};
    }
    const config::ForeignFiles files = sort_by_dialect(session, *wish, surroundings);
    if (files.empty()) return {};
    const config::Import import = config::import_files(files, surroundings, wish->rules);
    session.out.text(import.text);
    session.out.value(wire::Value::Struct{{"configuration", import.text},
                                          {"programs", static_cast<std::int64_t>(import.carried)},
                                          {"not_carried_over", static_cast<std::int64_t>(import.left)}});
    if (import.left == 0) return {};
    session.hint(fmt::format("{} not carried over; the comments say why", import.left));
    session.exit_status = exit_code::kGeneric;
    return {};
}

}  // namespace xsv::xsvctl
