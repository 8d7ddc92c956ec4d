#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "base/time.h"
#include "web/passwords.h"

namespace xsv::web {

/// The fields of a query or of an application/x-www-form-urlencoded body.
class Form {
public:
    /// Fields of `text` that are not there yet: of several with one name the first counts.
    void add(std::string_view text);
    bool has(const std::string& name) const { return fields_.contains(name); }
    std::string get(const std::string& name) const;  ///< "" when absent

private:
    std::map<std::string, std::string> fields_;
};

/// For a path or a query: everything but letters, digits and "_.-~/" as %XX, as Python's urllib quotes.
std::string quote_url(std::string_view text);

/// Shows that a form came from a page of ours (rule W2): other sites can make a browser post a form, but not read
/// the token. It is good for the hour it was made in and the next.
class FormTokens {
public:
    std::string make(std::string_view user, Time now) const;
    bool check(std::string_view given, std::string_view user, Time now) const;

private:
    std::string token(std::string_view user, std::int64_t hour) const;

    KeyedDigest digest_;
};

}  // namespace xsv::web
