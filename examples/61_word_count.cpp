// SPDX-License-Identifier: BSL-1.0
// word_count: counts the words of all files in folders, in worker processes. Prints what
//     cat FILES | tr -cs 'A-Za-z\200-\377' '\n' | tr A-Z a-z | sort | uniq -c | sort -k1,1nr -k2
// prints: the most frequent words first.
//
// Files are cut into pieces, so that a single large one keeps all workers busy, too. A worker gets
// the name of a file and where its piece lies, reads it by itself and returns a table of words;
// the parent adds up the tables in the order in which they are done.
#include <getopt.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <functional>
#include <memory>
#include <multiprocessing.hpp>
#include <string>
#include <string_view>
#include <system_error>
#include <unordered_map>
#include <vector>

namespace mp = multiprocessing;

namespace {

constexpr std::uint64_t piece_size = 4 * 1024 * 1024;

/// What goes to a worker: the bytes from `begin` to `end` of a file.
struct Piece {
    std::string path;
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
};

/// What comes back.
using Counts = std::unordered_map<std::string, std::uint64_t>;

[[noreturn]] void fail(const std::string& what) {
    throw std::system_error(errno, std::generic_category(), what);
}

// ---- What the workers do ------------------------------------------------------------------------

/// Letters, and all bytes of other letters in UTF-8.
bool is_letter(int c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c >= 0x80;
}

struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
};

/// Counts the words that begin in the piece.
Counts count_words(const Piece& piece) {
    const std::unique_ptr<std::FILE, Close> file(std::fopen(piece.path.c_str(), "re"));
    // One byte early: that tells whether the first letters are the end of a word.
    std::uint64_t at = piece.begin - (piece.begin > 0 ? 1 : 0);
    if (file == nullptr || ::fseeko(file.get(), static_cast<off_t>(at), SEEK_SET) != 0)
        fail(piece.path);

    Counts counts;
    std::string word;
    int c = 0;
    do {
        c = ::getc_unlocked(file.get());
        if (is_letter(c)) {
            word.push_back(static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c));
        } else {
            if (!word.empty() && at - word.size() >= piece.begin)
                ++counts[word];
            word.clear();
        }
        ++at;
    } while (c != EOF && (at < piece.end || !word.empty()));
    if (std::ferror(file.get()) != 0)
        fail(piece.path);
    return counts;
}

// ---- What the parent does -----------------------------------------------------------------------

void add_file(std::vector<Piece>& pieces, const std::filesystem::path& path) {
    const std::uint64_t size = std::filesystem::file_size(path);
    for (std::uint64_t begin = 0; begin < size; begin += piece_size)
        pieces.push_back({path, begin, std::min(begin + piece_size, size)});
}

using Report = std::function<void(const std::exception&)>;

/// A file, or all regular files in a folder and in the folders below it. What cannot be read is
/// reported; the others are added all the same.
void add_path(std::vector<Piece>& pieces, const std::filesystem::path& path, const Report& report) {
    using std::filesystem::file_type;
    try {
        if (!std::filesystem::is_directory(path))
            return add_file(pieces, path);
        for (const auto& entry : std::filesystem::directory_iterator(path)) {
            std::error_code error;
            const file_type type = entry.symlink_status(error).type();
            if (type == file_type::none)
                report(std::system_error(error, entry.path()));
            else if (type == file_type::regular || type == file_type::directory)
                add_path(pieces, entry.path(), report);
        }
    } catch (const std::filesystem::filesystem_error& error) {
        report(std::system_error(error.code(), path));
    }
}

/// The `lines` most frequent words, as `uniq -c` writes them.
std::string table(const Counts& counts, std::size_t lines) {
    std::vector<const Counts::value_type*> words;
    for (const auto& entry : counts)
        words.push_back(&entry);
    const auto end = words.begin() + static_cast<std::ptrdiff_t>(std::min(lines, words.size()));
    std::partial_sort(words.begin(), end, words.end(), [](const auto* a, const auto* b) {
        return a->second != b->second ? a->second > b->second : a->first < b->first;
    });
    std::string text;
    for (auto word = words.begin(); word != end; ++word) {
        const std::string count = std::to_string((*word)->second);
        text.append(count.size() < 7 ? 7 - count.size() : 0, ' ');
        text += count + ' ' + (*word)->first + '\n';
    }
    return text;
}

struct Options {
    std::size_t workers = static_cast<std::size_t>(mp::process_cpu_count());
    std::size_t lines = 10;
    std::vector<std::string> paths;
};

constexpr const char* usage =
    "Usage: word_count [-p WORKERS] [-n LINES] PATH...\n"
    "Counts the words of files, and of all files in folders; prints the most frequent ones.\n"
    "\n"
    "  -p, --processes WORKERS  how many worker processes (default: one for each CPU)\n"
    "  -n, --lines LINES        how many words to print (default: 10)\n"
    "  -h, --help               show this text\n";

[[noreturn]] void misused(const std::string& why) {
    std::fprintf(stderr, "word_count: %s\nTry word_count --help\n", why.c_str());
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
    options.paths.assign(argv + optind, argv + argc);
    if (options.paths.empty())
        misused("no file or folder is given");
    return options;
}

int run(const Options& options) {
    int status = EXIT_SUCCESS;
    const auto report = [&status](const std::exception& error) {
        std::fprintf(stderr, "word_count: %s\n", error.what());
        status = EXIT_FAILURE;
    };

    mp::Pool pool(options.workers);
    std::vector<Piece> pieces;
    for (const std::string& path : options.paths)
        add_path(pieces, path, report);

    Counts total;
    auto results = pool.imap_unordered(count_words, pieces, {.retries = 1});
    for (auto counts = results.begin(); counts != results.end(); ++counts) {
        try {
            for (const auto& [word, count] : *counts)
                total[word] += count;
        } catch (const std::exception& error) {  // the other pieces are counted all the same
            report(error);
        }
    }

    const std::string text = table(total, options.lines);
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
        std::fprintf(stderr, "word_count: %s\n", error.what());
        return EXIT_FAILURE;
    }
}
