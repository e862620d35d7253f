// SPDX-License-Identifier: BSL-1.0
// web_log: sums up the log of a web server with a parser that crashes on some lines.
//
// Each line is an item of `pool.imap`, a thousand of them a chunk. A line on which the parser
// crashes costs this line and nothing else: its result is a WorkerLostError, the other lines of the
// chunk are kept or parsed by another worker. The processes are here for safety; one parser in the
// parent would be about as fast, until the first bad line.
#include <getopt.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <istream>
#include <map>
#include <multiprocessing.hpp>
#include <ranges>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace mp = multiprocessing;

namespace {

// ---- What the workers do ------------------------------------------------------------------------

struct Request {
    std::string path;
    int status = 0;
    std::uint64_t bytes = 0;
};

/// A parser as one inherits it: fast, proven on all lines that are as they should be. Where a
/// character is missing, strchr says so with a null pointer, and the parser reads on from there.
///     1.2.3.4 - - [26/Nov/2026:12:00:00 +0000] "GET /index.html HTTP/1.1" 200 1234 "-" "curl"
Request parse_trusting(const char* line) {
    const char* const quote = std::strchr(line, '"');
    const char* const path = std::strchr(quote + 1, ' ') + 1;
    const char* const path_end = std::strchr(path, ' ');
    const char* const rest = std::strchr(path_end, '"') + 1;
    char* status_end = nullptr;
    const long status = std::strtol(rest, &status_end, 10);
    return {std::string(path, path_end), static_cast<int>(status),
            std::strtoull(status_end, nullptr, 10)};
}

struct Line {
    std::string text;
    friend std::istream& operator>>(std::istream& input, Line& line) {
        return std::getline(input, line.text);
    }
};

Request parse_line(const Line& line) {
    Request request = parse_trusting(line.text.c_str());
    if (request.status < 100 || request.status > 599)
        throw std::invalid_argument("no status");
    return request;
}

// ---- What the parent does -----------------------------------------------------------------------

struct Statistics {
    std::uint64_t requests = 0;
    std::uint64_t damaged = 0;
    std::uint64_t crashed = 0;
    std::uint64_t bytes = 0;
    std::map<int, std::uint64_t> statuses;
    std::map<std::string, std::uint64_t> paths;
};

[[noreturn]] void fail(const std::string& what) {
    throw std::system_error(errno, std::generic_category(), what);
}

/// Adds what the lines of `input` say.
void analyse(mp::Pool<>& pool, std::istream& input, const std::string& name, Statistics& total) {
    auto requests = pool.imap(parse_line, std::views::istream<Line>(input), {.chunksize = 1000});
    std::uint64_t number = 0;
    for (auto result = requests.begin(); result != requests.end(); ++result) {
        ++number;
        try {
            const Request& request = *result;  // or the exception that the line has become
            ++total.paths[request.path];
            ++total.statuses[request.status];
            total.bytes += request.bytes;
            ++total.requests;
        } catch (const std::invalid_argument&) {
            ++total.damaged;
        } catch (const mp::WorkerLostError& error) {
            ++total.crashed;
            std::fprintf(stderr, "web_log: %s:%llu: %s\n", name.c_str(),
                         static_cast<unsigned long long>(number), error.what());
        }
    }
    if (input.bad())
        throw std::runtime_error(name + ": cannot be read to its end");
}

void analyse_file(mp::Pool<>& pool, const std::string& path, Statistics& total) {
    if (path == "-")
        return analyse(pool, std::cin, "stdin", total);
    std::ifstream file(path);
    if (!file)
        fail(path);
    if (std::filesystem::is_directory(path))
        throw std::runtime_error(path + ": is a directory");
    analyse(pool, file, path, total);
}

std::string report(const Statistics& total, std::size_t lines) {
    std::string text;
    const auto add = [&text](std::uint64_t number, const std::string& what) {
        const std::string digits = std::to_string(number);
        text.append(digits.size() < 12 ? 12 - digits.size() : 0, ' ');
        text += digits + ' ' + what + '\n';
    };
    add(total.requests, "requests");
    add(total.damaged, "lines were damaged");
    add(total.crashed, "lines crashed the parser");
    add(total.bytes, "bytes were sent");
    for (const auto& [status, number] : total.statuses)
        add(number, "answers with status " + std::to_string(status));

    std::vector<std::pair<std::string, std::uint64_t>> paths(total.paths.begin(),
                                                             total.paths.end());
    std::ranges::stable_sort(paths, std::greater(), [](const auto& path) { return path.second; });
    for (const auto& [path, number] : paths | std::views::take(lines))
        add(number, path);
    return text;
}

struct Options {
    std::size_t workers = static_cast<std::size_t>(mp::process_cpu_count());
    std::size_t lines = 10;
    std::vector<std::string> files;
};

constexpr const char* usage =
    "Usage: web_log [-p WORKERS] [-n LINES] [FILE...]\n"
    "Sums up logs of web servers, in the common or in the combined format.\n"
    "Without a FILE, or where FILE is -, reads standard input.\n"
    "\n"
    "  -p, --processes WORKERS  how many worker processes (default: one for each CPU)\n"
    "  -n, --lines LINES        how many of the most requested paths to print (default: 10)\n"
    "  -h, --help               show this text\n";

[[noreturn]] void misused(const std::string& why) {
    std::fprintf(stderr, "web_log: %s\nTry web_log --help\n", why.c_str());
    std::exit(EXIT_FAILURE);
}

std::size_t parse_number(char option, std::string_view text, std::size_t largest) {
    std::size_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size() || value < 1 || value > largest)
        misused(std::string("-") + option + " takes a number from 1 to " + std::to_string(largest) +
                ", not '" + std::string(text) + "'");
    return value;
}

Options parse(int argc, char** argv) {
    static const option long_options[] = {{"processes", required_argument, nullptr, 'p'},
                                          {"lines", required_argument, nullptr, 'n'},
                                          {"help", no_argument, nullptr, 'h'},
                                          {nullptr, 0, nullptr, 0}};
    Options options;
    int letter = 0;
    while ((letter = getopt_long(argc, argv, "p:n:h", long_options, nullptr)) != -1) {
        if (letter == 'p')
            options.workers = parse_number('p', optarg, 1024);
        else if (letter == 'n')
            options.lines = parse_number('n', optarg, 1'000'000'000);
        else if (letter == 'h')
            std::exit(std::fputs(usage, stdout) < 0 ? EXIT_FAILURE : EXIT_SUCCESS);
        else
            misused("these options are not understood");
    }
    options.files.assign(argv + optind, argv + argc);
    if (options.files.empty())
        options.files.push_back("-");
    return options;
}

int run(const Options& options) {
    int status = EXIT_SUCCESS;
    mp::Pool pool(options.workers);
    Statistics total;
    for (const std::string& path : options.files) {
        try {
            analyse_file(pool, path, total);
        } catch (const std::exception& error) {
            std::fprintf(stderr, "web_log: %s\n", error.what());
            status = EXIT_FAILURE;
        }
    }
    const std::string text = report(total, options.lines);
    if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() || std::fflush(stdout) != 0)
        fail("standard output");
    return status;
}

}  // namespace

// Ctrl-C needs no code here: the program ends by the signal as any other, and its workers with it.
int main(int argc, char** argv) {
    mp::freeze_support();
    try {
        return run(parse(argc, argv));
    } catch (const std::exception& error) {
        std::fprintf(stderr, "web_log: %s\n", error.what());
        return EXIT_FAILURE;
    }
}
