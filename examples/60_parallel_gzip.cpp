// SPDX-License-Identifier: BSL-1.0
// parallel_gzip: compresses files or standard input of any length in worker processes.
//
// The parent reads blocks of 128 KiB and hands them to `pool.imap`, which reads its input lazily
// and gives the results back in order: memory stays the same whatever the length of the input. A
// block travels with the 32 KiB before it, so that a worker finds the same repetitions as a
// compressor that had seen the whole file. Each block becomes a piece of one deflate stream that
// ends on a byte boundary (Z_SYNC_FLUSH), so the pieces are simply written one after the other.
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <climits>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <filesystem>
#include <iterator>
#include <multiprocessing.hpp>
#include <new>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace mp = multiprocessing;

namespace {

constexpr std::size_t block_size = 128 * 1024;
constexpr std::size_t window_size = 32 * 1024;  // how far back deflate can refer

using Bytes = std::vector<unsigned char>;

// ---- What the workers do ------------------------------------------------------------------------

/// What goes to a worker: up to 32 KiB that were compressed before, then the block itself. One
/// buffer holds both, so that they cross to the worker in one copy.
struct Block {
    Bytes bytes;
    std::size_t dictionary = 0;  // length of the part that only serves as dictionary
};

/// What comes back.
struct Deflated {
    Bytes bytes;
    std::uint32_t crc = 0;
    std::size_t length = 0;  // of the block before compression
};

/// zlib's state, 256 KiB of it: made once per worker and used again for every block.
class Deflater {
  public:
    explicit Deflater(int level) {
        const int raw = -15;  // no zlib header, a window of 2^15 bytes
        if (deflateInit2(&stream_, level, Z_DEFLATED, raw, 8, Z_DEFAULT_STRATEGY) != Z_OK)
            throw std::bad_alloc();
        // A stored block and the flush marker need a few bytes more than the input.
        output_.resize(deflateBound(&stream_, block_size) + 64);
    }
    ~Deflater() { deflateEnd(&stream_); }
    Deflater(const Deflater&) = delete;
    Deflater& operator=(const Deflater&) = delete;

    Deflated deflate(const Block& block) {
        const auto dictionary = static_cast<uInt>(block.dictionary);
        const auto length = static_cast<uInt>(block.bytes.size() - block.dictionary);
        const unsigned char* data = block.bytes.data() + dictionary;

        deflateReset(&stream_);
        if (dictionary > 0)
            deflateSetDictionary(&stream_, block.bytes.data(), dictionary);
        stream_.next_in = const_cast<Bytef*>(data);  // zlib's interface predates const
        stream_.avail_in = length;
        stream_.next_out = output_.data();
        stream_.avail_out = static_cast<uInt>(output_.size());
        if (::deflate(&stream_, Z_SYNC_FLUSH) != Z_OK || stream_.avail_out == 0)
            throw std::logic_error("zlib needs more room than deflateBound announced");

        const auto checksum = static_cast<std::uint32_t>(crc32(0, data, length));
        return {Bytes(output_.data(), stream_.next_out), checksum, length};
    }

  private:
    z_stream stream_{};
    Bytes output_;
};

/// The function of the pool.
struct Compressor {
    int level = Z_DEFAULT_COMPRESSION;

    Deflated operator()(const Block& block) const {
        static Deflater deflater(level);
        return deflater.deflate(block);
    }
};

using Workers = mp::Pool<Compressor>;

// ---- Files --------------------------------------------------------------------------------------

[[noreturn]] void fail(const std::string& what) {
    throw std::system_error(errno, std::generic_category(), what);
}

/// A descriptor that closes itself.
class File {
  public:
    File(int descriptor, std::string name) : descriptor_(descriptor), name_(std::move(name)) {}
    ~File() { close(); }
    File(const File&) = delete;
    File& operator=(const File&) = delete;

    int descriptor() const { return descriptor_; }
    const std::string& name() const { return name_; }

    struct stat status() const {
        struct stat result {};
        if (::fstat(descriptor_, &result) != 0)
            fail(name_);
        return result;
    }

    /// Fills `buffer`, or as much of it as there is before the end of the file.
    std::size_t read(std::span<unsigned char> buffer) const {
        std::size_t filled = 0;
        while (filled < buffer.size()) {
            wait_until_readable();
            const auto n = ::read(descriptor_, buffer.data() + filled, buffer.size() - filled);
            if (n < 0 && errno != EINTR && errno != EAGAIN)
                fail(name_);
            if (n == 0)
                break;
            filled += n > 0 ? static_cast<std::size_t>(n) : 0;
        }
        return filled;
    }

    void write(std::span<const unsigned char> bytes) const {
        while (!bytes.empty()) {
            const auto n = ::write(descriptor_, bytes.data(), bytes.size());
            if (n < 0 && errno != EINTR)
                fail(name_);
            bytes = bytes.subspan(n > 0 ? static_cast<std::size_t>(n) : 0);
        }
    }

    /// Some file systems report a full disk only here.
    bool close() {
        const int descriptor = std::exchange(descriptor_, -1);
        return descriptor <= STDERR_FILENO || ::close(descriptor) == 0;
    }

  private:
    /// A terminal or a pipe may keep us waiting: poll() is the call that a signal always ends. The
    /// guard's own exception comes only from calls of the library.
    void wait_until_readable() const {
        pollfd entry{descriptor_, POLLIN, 0};
        if (::poll(&entry, 1, -1) < 0 && errno == EINTR)
            throw mp::KeyboardInterrupt("interrupted while reading " + name_);
    }

    int descriptor_;
    std::string name_;
};

/// The name of an unfinished output file, for the signal handler below; empty while there is none.
std::array<char, PATH_MAX> unfinished{};

/// An output file that appears under its name when it is complete, and not at all otherwise.
class OutputFile {
  public:
    OutputFile(std::string path, bool force)
        : path_(std::move(path)), force_(force), file_(open(), path_) {}

    ~OutputFile() {
        if (unfinished[0] != '\0')
            ::unlink(unfinished.data());
        unfinished[0] = '\0';
    }
    OutputFile(const OutputFile&) = delete;
    OutputFile& operator=(const OutputFile&) = delete;

    const File& file() const { return file_; }

    /// Gives the file its name, and the permissions and the time of `input`.
    void publish(const struct stat& input) {
        const std::array<timespec, 2> times{input.st_atim, input.st_mtim};
        ::futimens(file_.descriptor(), times.data());
        ::fchmod(file_.descriptor(), input.st_mode & 0777);
        if (unfinished[0] == '\0') {
            const std::string link = "/proc/self/fd/" + std::to_string(file_.descriptor());
            if (::linkat(AT_FDCWD, link.c_str(), AT_FDCWD, temporary().c_str(),
                         AT_SYMLINK_FOLLOW) != 0)
                fail(path_);
            remember(temporary());
        }
        if (!file_.close())
            fail(path_);
        const unsigned flags = force_ ? 0 : RENAME_NOREPLACE;
        if (::renameat2(AT_FDCWD, unfinished.data(), AT_FDCWD, path_.c_str(), flags) != 0 &&
            (errno != EINVAL || std::rename(unfinished.data(), path_.c_str()) != 0))
            fail(path_);
        unfinished[0] = '\0';
    }

  private:
    /// A file without a name where the file system has that (O_TMPFILE): it vanishes even when this
    /// process is killed. Elsewhere a hidden one.
    int open() {
        struct stat ignored {};
        if (!force_ && ::lstat(path_.c_str(), &ignored) == 0)
            throw std::runtime_error(path_ + ": already exists (use -f to replace it)");
        const std::string parent = std::filesystem::path(path_).parent_path();
        const std::string folder = parent.empty() ? "." : parent;
        int descriptor = ::open(folder.c_str(), O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
        if (descriptor < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == ENOENT)) {
            remember(temporary());
            descriptor = ::open(unfinished.data(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
        }
        if (descriptor < 0) {
            unfinished[0] = '\0';
            fail(path_);
        }
        return descriptor;
    }

    std::string temporary() const {
        const std::filesystem::path path(path_);
        return path.parent_path() /
               ("." + path.filename().string() + "." + std::to_string(::getpid()));
    }

    static void remember(const std::string& name) {
        if (name.size() >= unfinished.size())
            throw std::runtime_error(name + ": name too long");
        std::memcpy(unfinished.data(), name.c_str(), name.size() + 1);
    }

    std::string path_;
    bool force_;
    File file_;
};

extern "C" void remove_unfinished(int signal) {
    if (unfinished[0] != '\0')
        ::unlink(unfinished.data());
    ::signal(signal, SIG_DFL);
    ::raise(signal);
}

/// The blocks of a file, read when `imap` asks for them: a C++20 input range.
class Blocks {
  public:
    explicit Blocks(const File& input) : input_(&input) {}

    class iterator {
      public:
        using iterator_concept = std::input_iterator_tag;
        using value_type = Block;
        using difference_type = std::ptrdiff_t;

        explicit iterator(Blocks* blocks) : blocks_(blocks) {}
        /// Each block is looked at once and may be moved away: nobody copies it.
        Block&& operator*() const { return std::move(blocks_->block_); }
        iterator& operator++() {
            blocks_->read_next();
            return *this;
        }
        void operator++(int) { ++*this; }
        bool operator==(std::default_sentinel_t) const { return blocks_->at_end_; }

      private:
        Blocks* blocks_;
    };

    iterator begin() {
        read_next();
        return iterator(this);
    }
    std::default_sentinel_t end() const { return {}; }

  private:
    /// Reads the next block behind the last 32 KiB of the one before.
    void read_next() {
        Bytes bytes(window_.size() + block_size);
        std::copy(window_.begin(), window_.end(), bytes.begin());
        const auto space = std::span(bytes).subspan(window_.size());
        const std::size_t length = last_ ? 0 : input_->read(space);
        at_end_ = length == 0;
        last_ = length < block_size;  // a terminal would have to be told so twice
        bytes.resize(window_.size() + length);
        block_ = {std::move(bytes), window_.size()};
        const std::size_t keep = std::min(block_.bytes.size(), window_size);
        window_.assign(block_.bytes.end() - static_cast<std::ptrdiff_t>(keep), block_.bytes.end());
    }

    const File* input_;
    bool last_ = false;
    bool at_end_ = false;
    Bytes window_;
    Block block_;
};

// ---- Progress -----------------------------------------------------------------------------------

/// One line on the terminal that is rewritten ten times a second and erased at the end.
class Progress {
    using Clock = std::chrono::steady_clock;

  public:
    Progress(std::string name, std::size_t total) : name_(std::move(name)), total_(total) {}
    ~Progress() {
        if (shown_)
            std::fputs("\r\x1b[K", stderr);
    }
    Progress(const Progress&) = delete;
    Progress& operator=(const Progress&) = delete;

    void add(std::size_t bytes) {
        done_ += bytes;
        const auto now = Clock::now();
        if (!terminal_ || now < next_)
            return;
        next_ = now + std::chrono::milliseconds(100);
        const double megabytes = static_cast<double>(done_) / 1e6;
        const double rate = megabytes / std::chrono::duration<double>(now - start_).count();
        if (total_ > 0)
            std::fprintf(stderr, "\r\x1b[K%s  %3.0f %%  %.0f MB/s", name_.c_str(),
                         1e8 * megabytes / static_cast<double>(total_), rate);
        else
            std::fprintf(stderr, "\r\x1b[K%s  %.0f MB  %.0f MB/s", name_.c_str(), megabytes, rate);
        shown_ = true;
    }

  private:
    std::string name_;
    std::size_t total_;
    std::size_t done_ = 0;
    bool terminal_ = ::isatty(STDERR_FILENO) == 1;
    bool shown_ = false;
    Clock::time_point start_ = Clock::now();
    Clock::time_point next_ = start_ + std::chrono::milliseconds(100);
};

// ---- The program --------------------------------------------------------------------------------

struct Options {
    std::size_t workers = static_cast<std::size_t>(mp::process_cpu_count());
    int level = 6;
    bool to_stdout = false;
    bool force = false;
    std::vector<std::string> files;
};

void append_little_endian(Bytes& bytes, std::uint32_t value) {
    for (int shift = 0; shift < 32; shift += 8)
        bytes.push_back(static_cast<unsigned char>(value >> shift));
}

Bytes gzip_header(const std::string& name, std::uint32_t mtime, int level) {
    const unsigned char has_name = name.empty() ? 0 : 8;
    const unsigned char effort = level == 9 ? 2 : level == 1 ? 4 : 0;
    Bytes header{0x1f, 0x8b, Z_DEFLATED, has_name};
    append_little_endian(header, mtime);
    header.push_back(effort);
    header.push_back(3);  // Unix
    if (!name.empty())
        header.insert(header.end(), name.c_str(), name.c_str() + name.size() + 1);
    return header;
}

/// Writes all of `input` to `output` as one gzip stream. `name` and `mtime` go into the header.
void compress(Workers& pool, const Options& options, const File& input, const File& output,
              const std::string& name, std::uint32_t mtime) {
    const struct stat status = input.status();
    Progress progress(input.name(),
                      S_ISREG(status.st_mode) ? static_cast<std::size_t>(status.st_size) : 0);
    output.write(gzip_header(name, mtime, options.level));

    // So many blocks are on their way at once. More than the workers chew on: where one of them, or
    // this process, has to wait for a CPU, the others still have work. 32 blocks are 5 MiB.
    const std::size_t window = 24 + 4 * options.workers;
    Blocks blocks(input);
    uLong crc = crc32(0, nullptr, 0);
    std::size_t length = 0;
    for (const Deflated& piece :
         pool.imap(blocks, {.chunksize = 1, .buffersize = window, .retries = 2})) {
        output.write(piece.bytes);
        crc = crc32_combine(crc, piece.crc, static_cast<z_off_t>(piece.length));
        length += piece.length;
        progress.add(piece.length);
    }

    Bytes trailer{0x03, 0x00};  // an empty block that is marked as the last one
    append_little_endian(trailer, static_cast<std::uint32_t>(crc));
    append_little_endian(trailer, static_cast<std::uint32_t>(length));
    output.write(trailer);
}

void compress_file(Workers& pool, const Options& options, const std::string& path) {
    if (path == "-") {
        compress(pool, options, File(STDIN_FILENO, "stdin"), File(STDOUT_FILENO, "stdout"), "", 0);
        return;
    }
    const File input(::open(path.c_str(), O_RDONLY | O_CLOEXEC), path);
    if (input.descriptor() < 0)
        fail(path);
    const struct stat status = input.status();
    if (S_ISDIR(status.st_mode))
        throw std::runtime_error(path + ": is a directory");
    const auto mtime = static_cast<std::uint32_t>(status.st_mtim.tv_sec);
    const std::string name = std::filesystem::path(path).filename();
    if (options.to_stdout) {
        compress(pool, options, input, File(STDOUT_FILENO, "stdout"), name, mtime);
        return;
    }
    if (path.ends_with(".gz"))
        throw std::runtime_error(path + ": already has the suffix .gz");
    OutputFile output(path + ".gz", options.force);
    compress(pool, options, input, output.file(), name, mtime);
    output.publish(status);
}

constexpr const char* usage =
    "Usage: parallel_gzip [-p WORKERS] [-1..-9] [-c] [-f] [FILE...]\n"
    "Compresses each FILE to FILE.gz in worker processes. The input files are kept.\n"
    "Without a FILE, or where FILE is -, compresses standard input to standard output.\n"
    "\n"
    "  -p, --processes WORKERS  how many worker processes (default: one for each CPU)\n"
    "  -1 ... -9                compress faster ... better (default: -6)\n"
    "  -c, --stdout             write to standard output\n"
    "  -f, --force              replace existing output files, write to a terminal\n"
    "  -h, --help               show this text\n";

[[noreturn]] void misused(const std::string& why) {
    std::fprintf(stderr, "parallel_gzip: %s\nTry parallel_gzip --help\n", why.c_str());
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
                                          {"stdout", no_argument, nullptr, 'c'},
                                          {"force", no_argument, nullptr, 'f'},
                                          {"help", no_argument, nullptr, 'h'},
                                          {nullptr, 0, nullptr, 0}};
    Options options;
    int letter = 0;
    while ((letter = getopt_long(argc, argv, "p:123456789cfh", long_options, nullptr)) != -1) {
        if (letter == 'p')
            options.workers = parse_workers(optarg);
        else if (letter >= '1' && letter <= '9')
            options.level = letter - '0';
        else if (letter == 'c')
            options.to_stdout = true;
        else if (letter == 'f')
            options.force = true;
        else if (letter == 'h')
            std::exit(std::fputs(usage, stdout) < 0 ? EXIT_FAILURE : EXIT_SUCCESS);
        else
            misused("these options are not understood");
    }
    options.files.assign(argv + optind, argv + argc);
    if (options.files.empty())
        options.files.push_back("-");
    const bool writes_stdout = options.to_stdout || std::ranges::count(options.files, "-") > 0;
    if (writes_stdout && !options.force && ::isatty(STDOUT_FILENO) == 1)
        misused("compressed data is not written to a terminal (use -f to force it)");
    return options;
}

/// Says what went wrong with one file. A reader that has seen enough (`| head`) is no news.
void report(const std::exception& error) {
    const auto* failure = dynamic_cast<const std::system_error*>(&error);
    if (failure == nullptr || failure->code() != std::errc::broken_pipe)
        std::fprintf(stderr, "parallel_gzip: %s\n", error.what());
}

int run(const Options& options) {
    Workers pool(Compressor{options.level}, {.processes = options.workers});
    ::signal(SIGTERM, remove_unfinished);
    ::signal(SIGHUP, remove_unfinished);
    const mp::InterruptGuard guard;
    int status = EXIT_SUCCESS;
    for (const std::string& path : options.files) {
        try {
            compress_file(pool, options, path);
        } catch (const mp::KeyboardInterrupt&) {
            throw;
        } catch (const std::exception& error) {
            report(error);
            status = EXIT_FAILURE;
        }
    }
    return status;
}

}  // namespace

int main(int argc, char** argv) {
    mp::freeze_support();
    try {
        return run(parse(argc, argv));
    } catch (const mp::KeyboardInterrupt&) {
        // Everything is cleaned up. Ending by the signal itself, status 130 in a shell, tells the
        // shell to stop its loops, too.
        ::signal(SIGINT, SIG_DFL);
        return ::raise(SIGINT);
    } catch (const std::exception& error) {
        report(error);
        return EXIT_FAILURE;
    }
}
