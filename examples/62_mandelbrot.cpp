// SPDX-License-Identifier: BSL-1.0
// mandelbrot: computes a picture of the Mandelbrot set in worker processes and writes it as PNG.
//
// The picture lies in shared memory. Each row is one task, whose worker writes the pixels where
// they belong, so that nothing needs to be sent back. Rows take very different times: one row a
// task spreads them evenly.
#include <getopt.h>
#include <png.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <multiprocessing.hpp>
#include <numbers>
#include <ranges>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

namespace mp = multiprocessing;

namespace {

/// Which part of the complex plane is shown, and how finely.
struct View {
    std::uint32_t width = 1920;
    std::uint32_t height = 1080;
    double re = -0.65;  // the centre
    double im = 0;
    double across = 4.5;  // from the left edge to the right one
    std::uint32_t iterations = 1000;
};

// ---- What the workers do ------------------------------------------------------------------------

/// The function of the pool. Like all handles of the library a RawArray can be sent: what a worker
/// gets is the same memory.
struct Renderer {
    View view;
    mp::RawArray<std::uint8_t> picture;

    void operator()(std::uint32_t row) const {
        const double pixel = view.across / view.width;
        const double im = view.im - (row - view.height / 2.0) * pixel;
        const std::span<std::uint8_t> colours =
            picture.get_obj().subspan(std::size_t{row} * view.width, view.width);
        for (std::uint32_t column = 0; column < view.width; ++column)
            colours[column] = colour(view.re + (column - view.width / 2.0) * pixel, im);
    }

    /// 0 inside the set; outside of it, how long z stays near the origin.
    [[nodiscard]] std::uint8_t colour(double re, double im) const {
        double x = 0;
        double y = 0;
        for (std::uint32_t n = 0; n < view.iterations; ++n) {
            const double next = x * x - y * y + re;
            y = 2 * x * y + im;
            x = next;
            if (x * x + y * y > 4)
                return static_cast<std::uint8_t>(1 + n % 255);
        }
        return 0;
    }
};

// ---- PNG ----------------------------------------------------------------------------------------

/// Black for the set itself, then colours that return to where they began.
std::array<std::uint8_t, std::size_t{3} * 256> palette() {
    std::array<std::uint8_t, std::size_t{3} * 256> rgb{};
    for (std::size_t i = 3; i < rgb.size(); ++i) {
        const double turn = static_cast<double>(i / 3) / 32 - 0.1 * static_cast<double>(i % 3);
        rgb[i] = static_cast<std::uint8_t>(127.5 - 127.5 * std::cos(2 * std::numbers::pi * turn));
    }
    return rgb;
}

std::vector<char> encode(const Renderer& renderer) {
    png_image image{};
    image.version = PNG_IMAGE_VERSION;
    image.width = renderer.view.width;
    image.height = renderer.view.height;
    image.format = PNG_FORMAT_RGB_COLORMAP;
    image.colormap_entries = 256;
    png_alloc_size_t size = PNG_IMAGE_PNG_SIZE_MAX(image);
    std::vector<char> bytes(size);
    if (png_image_write_to_memory(&image, bytes.data(), &size, 0, renderer.picture.data(), 0,
                                  palette().data()) == 0)
        throw std::runtime_error(image.message);
    bytes.resize(size);
    return bytes;
}

// ---- The program --------------------------------------------------------------------------------

struct Options {
    std::uint32_t workers = static_cast<std::uint32_t>(mp::process_cpu_count());
    View view;
};

constexpr const char* usage =
    "Usage: mandelbrot [OPTION...] > PICTURE.png\n"
    "Computes a picture of the Mandelbrot set in worker processes.\n"
    "\n"
    "  -p, --processes WORKERS   how many worker processes (default: one for each CPU)\n"
    "  -s, --size WIDTHxHEIGHT   in pixels (default: 1920x1080)\n"
    "  -c, --center RE,IM        the point in the middle (default: -0.65,0)\n"
    "  -a, --across LENGTH       from the left edge to the right one (default: 4.5)\n"
    "  -i, --iterations NUMBER   as what stays so long counts as inside (default: 1000)\n"
    "  -h, --help                show this text\n";

[[noreturn]] void misused(const std::string& why) {
    std::fprintf(stderr, "mandelbrot: %s\nTry mandelbrot --help\n", why.c_str());
    std::exit(EXIT_FAILURE);
}

/// Takes a number and the separator behind it, if there is to be one, off the beginning of `text`.
template <class T>
bool take(std::string_view& text, T& value, std::string_view separator = "") {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    const bool good = error == std::errc() && text.starts_with(separator);
    text.remove_prefix(good ? separator.size() : 0);
    return good;
}

Options parse(int argc, char** argv) {
    static const option long_options[] = {{"processes", required_argument, nullptr, 'p'},
                                          {"size", required_argument, nullptr, 's'},
                                          {"center", required_argument, nullptr, 'c'},
                                          {"across", required_argument, nullptr, 'a'},
                                          {"iterations", required_argument, nullptr, 'i'},
                                          {"help", no_argument, nullptr, 'h'},
                                          {nullptr, 0, nullptr, 0}};
    constexpr std::uint32_t largest = 65'536;  // pixels a side
    Options options;
    View& view = options.view;
    int letter = 0;
    while ((letter = getopt_long(argc, argv, "p:s:c:a:i:h", long_options, nullptr)) != -1) {
        std::string_view text = optarg == nullptr ? "" : optarg;
        bool good = false;
        if (letter == 'p')
            good = take(text, options.workers) && options.workers > 0 && options.workers <= 1024;
        else if (letter == 's')
            good = take(text, view.width, "x") && take(text, view.height) && view.width > 0 &&
                   view.width <= largest && view.height > 0 && view.height <= largest;
        else if (letter == 'c')
            good = take(text, view.re, ",") && take(text, view.im);
        else if (letter == 'a')
            good = take(text, view.across) && view.across > 0;
        else if (letter == 'i')
            good = take(text, view.iterations) && view.iterations > 0;
        else if (letter == 'h')
            std::exit(std::fputs(usage, stdout) < 0 ? EXIT_FAILURE : EXIT_SUCCESS);
        else
            misused("these options are not understood");
        if (!good || !text.empty())
            misused(std::string("-") + static_cast<char>(letter) + " does not take '" + optarg +
                    "'");
    }
    if (optind < argc)
        misused(std::string("what is '") + argv[optind] + "'? The picture goes to standard output");
    if (::isatty(STDOUT_FILENO) == 1)
        misused("a picture is not written to a terminal");
    return options;
}

void run(const Options& options) {
    const View& view = options.view;
    const Renderer renderer{view,
                            mp::RawArray<std::uint8_t>(std::size_t{view.width} * view.height)};
    mp::Pool pool(renderer, {.processes = options.workers});
    pool.map(std::views::iota(0U, view.height), {.chunksize = 1, .retries = 1});

    const std::vector<char> png = encode(renderer);
    if (std::fwrite(png.data(), 1, png.size(), stdout) != png.size() || std::fflush(stdout) != 0)
        throw std::system_error(errno, std::generic_category(), "standard output");
}

}  // namespace

// Ctrl-C needs no code here: the program ends by the signal as any other, and its workers and the
// shared memory with it.
int main(int argc, char** argv) {
    mp::freeze_support();
    try {
        run(parse(argc, argv));
    } catch (const std::exception& error) {
        std::fprintf(stderr, "mandelbrot: %s\n", error.what());
        return EXIT_FAILURE;
    }
}
