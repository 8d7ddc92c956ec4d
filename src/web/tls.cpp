#include "web/tls.h"

#include <array>
#include <climits>
#include <string>

#include <dlfcn.h>
#include <unistd.h>

#include "wire/tls.h"

namespace xsv::web {

namespace {

const wire::TlsModule* the_module = nullptr;

std::string folder_of_executable()
{
    std::array<char, PATH_MAX> path{};
    const ssize_t size = ::readlink("/proc/self/exe", path.data(), path.size() - 1);
    const std::string_view text(path.data(), size > 0 ? static_cast<std::size_t>(size) : 0);
    return std::string(text.substr(0, text.rfind('/') + 1));
}

}  // namespace

Status load_tls()
{
    const std::string file = folder_of_executable() + wire::kTlsFile;
    void* library = ::dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (!library) return fail("TLS: {}", ::dlerror());
    const auto entry = reinterpret_cast<const wire::TlsModule* (*)()>(::dlsym(library, wire::kTlsEntry));
    the_module = entry ? entry() : nullptr;
    if (!the_module) return fail("TLS: {} is not of this version", file);
    return {};
}

bool has_tls()
{
    return the_module != nullptr;
}

Result<std::shared_ptr<TlsContext>> TlsContext::make(std::string_view certificates, std::string_view key,
                                                     std::string_view authorities)
{
    if (!the_module) return fail("the TLS module is not loaded");
    std::array<char, 128> error{};
    void* context = the_module->make_context(certificates, key, authorities, error.data(), error.size());
    if (!context) return fail("{}", error.data());
    return std::make_shared<TlsContext>(context);
}

TlsContext::~TlsContext()
{
    the_module->free_context(context_);
}

bufferevent* TlsContext::accept(event_base* base, int socket) const
{
    return the_module->accept(base, socket, context_);
}

void TlsContext::finish(bufferevent* stream)
{
    the_module->finish(stream);
}

}  // namespace xsv::web
