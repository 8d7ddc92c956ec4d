#pragma once

#include <cstdio>

/// What the programs of this folder answer to the request "NUMBER\n": the number, and enough bytes that follow from it for
/// a short or foreign answer to be noticed.
namespace kill_test {

constexpr int kPattern = 1000;
constexpr int kAnswerSize = 32 + kPattern;

/// Writes the answer into `out` (kAnswerSize bytes) and returns its length.
inline int make_answer(unsigned long number, char* out)
{
    int length = snprintf(out, 32, "%lu:", number);
    for (int i = 0; i < kPattern; ++i) out[length++] = static_cast<char>('a' + (number + static_cast<unsigned long>(i)) % 26);
    out[length++] = '\n';
    return length;
}

}  // namespace kill_test
