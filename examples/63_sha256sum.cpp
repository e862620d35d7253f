// SPDX-License-Identifier: BSL-1.0
// sha256sum: prints or checks SHA-256 sums as the program of this name in coreutils does, byte for
// byte, with many files at the same time.
//
// A file is one task, whose result is its digest or the exception that says why there is none.
// `pool.imap` gives the results back in the order of the files, as soon as they can be printed.
#include <getopt.h>
#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <iterator>
#include <memory>
#include <multiprocessing.hpp>
#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

namespace mp = multiprocessing;

namespace {

[[noreturn]] void fail(const std::string& what) {
    throw std::system_error(errno, std::generic_category(), what);
}

// ---- What the workers do ------------------------------------------------------------------------

struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
};

/// Passes the bytes of a file, or of standard input where `path` is "-", to `use`, part by part.
template <class Use>
void read(const std::string& path, Use use) {
    const std::unique_ptr<std::FILE, Close> opened(path == "-" ? nullptr
                                                               : std::fopen(path.c_str(), "re"));
    std::FILE* const file = path == "-" ? stdin : opened.get();
    if (file == nullptr)
        fail(path);
    std::array<char, std::size_t{64} * 1024> buffer{};
    while (const std::size_t length = std::fread(buffer.data(), 1, buffer.size(), file))
        use(std::string_view(buffer.data(), length));
    if (std::ferror(file) != 0)
        fail(path);
}

/// The digest of a file in hexadecimal digits.
std::string sha256(const std::string& path) {
    const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> hash(EVP_MD_CTX_new(),
                                                                       EVP_MD_CTX_free);
    if (hash == nullptr || EVP_DigestInit_ex(hash.get(), EVP_sha256(), nullptr) != 1)
        throw std::bad_alloc();
    read(path, [&hash](std::string_view bytes) {
        EVP_DigestUpdate(hash.get(), bytes.data(), bytes.size());
    });
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned length = 0;
    EVP_DigestFinal_ex(hash.get(), digest.data(), &length);

    std::string digits;
    for (unsigned i = 0; i < length; ++i)
        for (const int half : {digest[i] >> 4, digest[i] & 15})
            digits.push_back("0123456789abcdef"[half]);
    return digits;
}

// ---- What the parent does -----------------------------------------------------------------------

struct Options {
    std::size_t workers = static_cast<std::size_t>(mp::process_cpu_count());
    bool check = false;
    char mark = ' ';  // before the name; * says that the file was read in binary mode
    std::vector<std::string> files;
};

void complain(const std::string& what) {
    std::fflush(stdout);
    std::fprintf(stderr, "sha256sum: %s\n", what.c_str());
}

void print(const std::string& text) {
    if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size())
        fail("write error");
}

/// Calls `use(i, digest)` for every file in turn, without a digest where it cannot be read.
template <class Use>
void for_each_digest(mp::Pool<>& pool, const std::vector<std::string>& files, Use use) {
    std::vector<std::string> named;  // the parent alone has a standard input
    std::ranges::remove_copy(files, std::back_inserter(named), "-");
    auto digests = pool.imap(sha256, named, {.retries = 1});
    for (std::size_t i = 0; i < files.size(); ++i) {
        std::optional<std::string> digest;
        try {
            digest = files[i] == "-" ? sha256("-") : digests.next();
        } catch (const std::exception& error) {
            complain(error.what());
        }
        use(i, digest);
    }
}

/// A line begins with a backslash where its name is written with backslashes.
std::string escaped(const std::string& line, std::string_view name) {
    std::string text;
    for (const char c : name)
        text += c == '\\' ? "\\\\" : c == '\n' ? "\\n" : c == '\r' ? "\\r" : std::string(1, c);
    return (text == name ? "" : "\\") + line + text;
}

bool print_sums(mp::Pool<>& pool, const Options& options) {
    bool good = true;
    for_each_digest(pool, options.files, [&](std::size_t i, const auto& digest) {
        if (digest)
            print(escaped(*digest + ' ' + options.mark, options.files[i]) + '\n');
        good = good && digest;
    });
    return good;
}

/// What a line of a list of sums says, if it says anything.
struct Entry {
    std::string digest;
    std::string name;
};

std::optional<Entry> parse_line(std::string_view line) {
    constexpr std::size_t digits = 64;
    line.remove_prefix(std::min(line.find_first_not_of(" \t"), line.size()));
    const bool is_escaped = line.starts_with('\\');
    line.remove_prefix(is_escaped ? 1 : 0);

    std::string_view name;
    const std::string_view tag = "SHA256 (";
    const std::size_t tag_end = line.rfind(") = ");
    if (line.starts_with(tag) && tag_end != line.npos) {
        name = line.substr(tag.size(), tag_end - tag.size());
        line.remove_prefix(tag_end + 4);
        if (line.size() != digits)
            return {};
    } else if (line.size() > digits + 1 && line[digits] == ' ') {
        const bool has_mark = line[digits + 1] == ' ' || line[digits + 1] == '*';
        name = line.substr(digits + (has_mark ? 2 : 1));
    }
    Entry entry{std::string(line.substr(0, digits)), ""};
    for (char& c : entry.digest)
        c = c >= 'A' && c <= 'F' ? static_cast<char>(c - 'A' + 'a') : c;
    if (name.empty() || entry.digest.find_first_not_of("0123456789abcdef") != std::string::npos)
        return {};
    for (std::size_t i = 0; i < name.size(); ++i) {
        char c = name[i];
        if (is_escaped && c == '\\') {
            const char code = ++i < name.size() ? name[i] : '\0';
            if (code != '\\' && code != 'n' && code != 'r')
                return {};
            c = code == 'n' ? '\n' : code == 'r' ? '\r' : '\\';
        }
        entry.name.push_back(c);
    }
    return entry;
}

void warn(std::size_t number, const char* one, const char* many) {
    if (number > 0)
        complain("WARNING: " + std::to_string(number) + ' ' + (number == 1 ? one : many));
}

bool check_sums(mp::Pool<>& pool, const std::string& list) {
    std::string text;
    read(list, [&text](std::string_view part) { text += part; });

    std::vector<std::string> digests;
    std::vector<std::string> files;
    std::size_t malformed = 0;
    for (std::size_t begin = 0; begin < text.size();) {
        const std::size_t end = std::min(text.find('\n', begin), text.size());
        const std::string_view line(text.data() + begin, end - begin);
        begin = end + 1;
        if (line.empty() || line.starts_with('#'))
            continue;
        if (auto entry = parse_line(line)) {
            digests.push_back(std::move(entry->digest));
            files.push_back(std::move(entry->name));
        } else {
            ++malformed;
        }
    }
    if (files.empty()) {
        complain((list == "-" ? "'standard input'" : list) +
                 ": no properly formatted checksum lines found");
        return false;
    }

    std::size_t unread = 0;
    std::size_t different = 0;
    for_each_digest(pool, files, [&](std::size_t i, const auto& digest) {
        const bool same = digest == digests[i];
        print((files[i].find('\n') == std::string::npos ? files[i] : escaped("", files[i])) +
              (same     ? ": OK\n"
               : digest ? ": FAILED\n"
                        : ": FAILED open or read\n"));
        unread += digest ? 0 : 1;
        different += digest && !same ? 1 : 0;
    });
    warn(malformed, "line is improperly formatted", "lines are improperly formatted");
    warn(unread, "listed file could not be read", "listed files could not be read");
    warn(different, "computed checksum did NOT match", "computed checksums did NOT match");
    return unread + different == 0;
}

constexpr const char* usage =
    "Usage: sha256sum [-p WORKERS] [-b|-t] [-c] [FILE...]\n"
    "Prints or checks SHA-256 sums, with many files at the same time.\n"
    "Without a FILE, or where FILE is -, reads standard input.\n"
    "\n"
    "  -p, --processes WORKERS  how many worker processes (default: one for each CPU)\n"
    "  -b, --binary             write a star before each name\n"
    "  -t, --text               write a space before each name (default)\n"
    "  -c, --check              read sums from the files and check them\n"
    "  -h, --help               show this text\n";

[[noreturn]] void misused(const std::string& why) {
    if (!why.empty())
        complain(why);
    std::fputs("Try 'sha256sum --help' for more information.\n", stderr);
    std::exit(EXIT_FAILURE);
}

std::size_t parse_workers(std::string_view text) {
    std::size_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size() || value < 1 || value > 1024)
        misused("-p takes a number from 1 to 1024, not '" + std::string(text) + "'");
    return value;
}

Options parse(int argc, char** argv) {
    static const option long_options[] = {{"processes", required_argument, nullptr, 'p'},
                                          {"binary", no_argument, nullptr, 'b'},
                                          {"text", no_argument, nullptr, 't'},
                                          {"check", no_argument, nullptr, 'c'},
                                          {"help", no_argument, nullptr, 'h'},
                                          {nullptr, 0, nullptr, 0}};
    Options options;
    int letter = 0;
    while ((letter = getopt_long(argc, argv, "p:btch", long_options, nullptr)) != -1) {
        if (letter == 'p')
            options.workers = parse_workers(optarg);
        else if (letter == 'b' || letter == 't')
            options.mark = letter == 'b' ? '*' : ' ';
        else if (letter == 'c')
            options.check = true;
        else if (letter == 'h')
            std::exit(std::fputs(usage, stdout) < 0 ? EXIT_FAILURE : EXIT_SUCCESS);
        else
            misused("");  // getopt_long has said why
    }
    options.files.assign(argv + optind, argv + argc);
    if (options.files.empty())
        options.files.push_back("-");
    return options;
}

bool run(const Options& options) {
    mp::Pool pool(options.workers);
    bool good = true;
    if (options.check) {
        for (const std::string& list : options.files) {
            try {
                good = check_sums(pool, list) && good;
            } catch (const std::system_error& error) {
                complain(error.what());
                good = false;
            }
        }
    } else {
        good = print_sums(pool, options);
    }
    if (std::fflush(stdout) != 0)
        fail("write error");
    return good;
}

}  // namespace

// Ctrl-C needs no code here: the program ends by the signal as any other, and its workers with it.
int main(int argc, char** argv) {
    mp::freeze_support();
    try {
        return run(parse(argc, argv)) ? EXIT_SUCCESS : EXIT_FAILURE;
    } catch (const std::exception& error) {
        complain(error.what());
        return EXIT_FAILURE;
    }
}
