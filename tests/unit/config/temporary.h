#pragma once

#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

namespace xsv::config::test {

/// A folder that goes away with everything in it.
class Temporary {
public:
    Temporary()
    {
        std::string pattern = "/tmp/xsv-config-XXXXXX";
        path_ = ::mkdtemp(pattern.data());
    }
    ~Temporary() { std::filesystem::remove_all(path_); }
    Temporary(const Temporary&) = delete;
    Temporary& operator=(const Temporary&) = delete;

    const std::string& path() const { return path_; }
    std::string write(const std::string& name, const std::string& text, mode_t mode = 0600) const
    {
        const std::string file = path_ + "/" + name;
        std::ofstream(file, std::ios::binary) << text;
        ::chmod(file.c_str(), mode);
        return file;
    }

private:
    std::string path_;
};

}  // namespace xsv::config::test
