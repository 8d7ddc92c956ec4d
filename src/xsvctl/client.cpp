#include "xsvctl/client.h"

#include <cstdio>

#include "base/text.h"
#include "config/load.h"
#include "xsvctl/completion.h"
#include "xsvctl/options.h"
#include "xsvctl/server_choice.h"
#include "xsvctl/session.h"
#include "xsvctl/shell.h"

namespace xsv::xsvctl {
namespace {

constexpr int kUsageError = 2;

int usage_error(const std::string& program, const std::string& sentence)
{
    std::fprintf(stderr, "Error: %s\nFor help, use %s -h\n", sentence.c_str(), program.c_str());
    return kUsageError;
}

int print_and_leave(const std::string& text)
{
    std::fputs(text.c_str(), stdout);
    return 0;
}

}  // namespace

int run_client(const std::vector<std::string>& arguments)
{
    std::vector<std::string> words = arguments;
    if (words.empty()) words.emplace_back("xsvctl");
    words[0] = config::full_program_path(words[0]);

    auto options = parse_options(words);
    if (!options) return usage_error(words[0], options.error().message);
    if (options->help) return print_and_leave(usage_text(*options));
    if (options->version) return print_and_leave("xsvctl " XSV_VERSION "\n");
    if (options->completion) {
        auto script = completion_script(*options->completion);
        return script ? print_and_leave(*script) : usage_error(words[0], script.error().message);
    }
    auto choice = choose_server(*options);
    if (!choice) return usage_error(words[0], choice.error().message);

    std::setvbuf(stdin, nullptr, _IONBF, 0);  // fg reads the descriptor itself; nothing may wait in a buffer
    const std::string line = text::join(options->words, " ");
    const bool one_shot = !options->words.empty();
    Session session(std::move(*options), choice->config_file, std::move(choice->server));
    Shell shell(session, choice->prompt, choice->history_file);
    if (one_shot) {
        shell.execute(line);
        return session.exit_status;
    }
    shell.run();
    return 0;
}

}  // namespace xsv::xsvctl
