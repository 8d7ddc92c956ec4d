#include <string>
#include <vector>

#include "xsvctl/client.h"

int main(int argc, char** argv)
{
    return xsv::xsvctl::run_client(std::vector<std::string>(argv, argv + argc));
}
