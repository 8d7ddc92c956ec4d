#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "config/spec.h"

namespace xsv::config {

struct Remark;

/// Collects mistakes and warnings, each once: numprocs=50 repeats a section fifty times, its mistake is still one.
class Report {
public:
    void mistake(const Place& place, std::string section, std::string key, std::string text);
    void warning(const Place& place, std::string section, std::string key, std::string text);
    void add(Mistake mistake);
    void add(Remark remark);
    /// A mistake after which nothing can run.
    void fatal(const Place& place, std::string section, std::string key, std::string text);

    void included(const std::string& file) { included_.push_back(file); }
    /// Another daemon's.
    void imported(const std::string& file)
    {
        included(file);
        imported_.push_back(file);
    }

    bool is_fatal() const { return fatal_; }
    /// The first mistake of the section in a sentence, with the number of others; empty when there is none.
    std::string verdict(const std::string& section) const;

    std::vector<Mistake> take_mistakes() { return std::move(mistakes_); }
    std::vector<Mistake> take_warnings() { return std::move(warnings_); }
    std::vector<Mistake> take_notes() { return std::move(notes_); }
    std::vector<std::string> take_included() { return std::move(included_); }
    std::vector<std::string> take_imported() { return std::move(imported_); }

private:
    std::vector<Mistake> mistakes_, warnings_, notes_;
    std::vector<std::string> included_, imported_;
    std::set<std::string> seen_;
    bool fatal_ = false;
};

/// [supervisord], server sections and what stands outside programs and groups: a mistake there concerns everything.
bool concerns_everything(const std::string& section);

}  // namespace xsv::config
