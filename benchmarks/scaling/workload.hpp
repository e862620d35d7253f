// SPDX-License-Identifier: BSL-1.0
// The work of the scaling benchmarks: an image of the Mandelbrot set, prices of options, and the
// words of a text. Each takes one thread about half a second.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <numeric>
#include <string>
#include <string_view>
#include <system_error>
#include <unordered_map>
#include <utility>
#include <vector>

#include "../support/measure.hpp"

namespace benchmark {

// The Mandelbrot set: an item is a row, the answer how many iterations each of its points took.

constexpr int image_width = 800;
constexpr int image_height = 600;
constexpr std::uint16_t most_iterations = 1000;

inline std::vector<std::uint16_t> mandelbrot_row(const int& row) {
    std::vector<std::uint16_t> iterations(image_width);
    const double y0 = 2.4 * row / image_height - 1.2;
    for (int column = 0; column < image_width; ++column) {
        const double x0 = 3.2 * column / image_width - 2.2;
        double x = 0;
        double y = 0;
        std::uint16_t n = 0;
        for (; n < most_iterations && x * x + y * y <= 4; ++n) {
            const double next = x * x - y * y + x0;
            y = 2 * x * y + y0;
            x = next;
        }
        iterations[static_cast<std::size_t>(column)] = n;
    }
    return iterations;
}

// Black and Scholes: an item is a share, the answer the prices of call options on it, one for each
// strike and maturity.

constexpr int strikes = 128;
constexpr int maturities = 64;

struct Share {
    double price;
    double volatility;

    template <class Archive>
    void serialize(Archive& archive, unsigned /*version*/) {
        archive& price& volatility;
    }
};

inline double normal_distribution(double x) {
    return std::erfc(-x * std::sqrt(0.5)) / 2;
}

inline std::vector<double> call_prices(const Share& share) {
    constexpr double rate = 0.03;
    std::vector<double> prices;
    prices.reserve(strikes * maturities);
    for (int i = 0; i < strikes; ++i) {
        const double strike = share.price * (0.5 + static_cast<double>(i) / strikes);
        for (int j = 1; j <= maturities; ++j) {
            const double years = j / 16.0;
            const double deviation = share.volatility * std::sqrt(years);
            const double d1 =
                (std::log(share.price / strike) + rate * years) / deviation + deviation / 2;
            prices.push_back(share.price * normal_distribution(d1) -
                             strike * std::exp(-rate * years) *
                                 normal_distribution(d1 - deviation));
        }
    }
    return prices;
}

inline std::vector<Share> shares(int count) {
    std::vector<Share> result;
    for (int i = 0; i < count; ++i)
        result.push_back({20.0 + i, 0.1 + 0.4 * i / count});
    return result;
}

// Words: an item is a block of text, the answer how often each word is in it.

using Counts = std::map<std::string, std::size_t>;

inline bool is_space(char c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

inline Counts word_counts(const std::string& text) {
    std::unordered_map<std::string_view, std::size_t> counts;
    const auto end = text.end();
    for (auto next = std::find_if_not(text.begin(), end, is_space); next != end;) {
        const auto word = next;
        next = std::find_if(word, end, is_space);
        ++counts[std::string_view(word, next)];
        next = std::find_if_not(next, end, is_space);
    }
    return Counts(counts.begin(), counts.end());
}

/// Real text of so many bytes: whatever this system has of licences, of Perl's manual and
/// of C headers, again and again.
inline std::string real_text(std::size_t size) {
    std::vector<std::filesystem::path> files;
    std::error_code none_there;
    const auto add_folder = [&](const std::filesystem::path& folder) {
        for (const auto& entry : std::filesystem::directory_iterator(folder, none_there))
            if (entry.is_regular_file(none_there))
                files.push_back(entry.path());
    };
    add_folder("/usr/share/common-licenses");
    for (const auto& version : std::filesystem::directory_iterator("/usr/share/perl", none_there))
        add_folder(version.path() / "pod");
    add_folder("/usr/include");
    std::sort(files.begin(), files.end());
    std::string text;
    for (const auto& path : files) {
        std::ifstream file(path);
        text.append(std::istreambuf_iterator<char>(file), {});
        text += '\n';
    }
    require(!text.empty(), "some text on this system");
    text.reserve(size + text.size());
    for (std::size_t once = text.size(); text.size() < size;)
        text.append(text, 0, once);
    text.resize(size);
    return text;
}

/// The text in about `count` blocks, cut at white space.
inline std::vector<std::string> blocks(const std::string& text, std::size_t count) {
    std::vector<std::string> result;
    const std::size_t size = text.size() / count + 1;
    for (auto first = text.begin(); first != text.end();) {
        const auto rest = static_cast<std::size_t>(text.end() - first);
        const auto last = std::find_if(first + static_cast<std::ptrdiff_t>(std::min(size, rest)),
                                       text.end(), is_space);
        result.emplace_back(first, last);
        first = last;
    }
    return result;
}

inline std::size_t word_total(const std::string& text) {
    std::size_t words = 0;
    char before = ' ';
    for (const char c : text)
        words += is_space(std::exchange(before, c)) && !is_space(c) ? 1U : 0U;
    return words;
}
inline std::size_t word_total(const Counts& counts) {
    return std::accumulate(counts.begin(), counts.end(), std::size_t{0},
                           [](std::size_t sum, const auto& word) { return sum + word.second; });
}

/// The sum of all results must be this number, but for the rounding of other compilers.
template <class Results>
void require_sum(const Results& results, double expected, const char* what) {
    double sum = 0;
    for (const auto& result : results)
        sum = std::accumulate(result.begin(), result.end(), sum);
    require(std::abs(sum - expected) <= expected * 1e-4, what);
}

/// Measures all three. `map(function, input)` gives the results of all items in their order.
template <class Map>
void run_all(const Options& options, Map map) {
    if (options.wants("mandelbrot")) {
        std::vector<int> rows(options.size(std::size_t{image_height}, std::size_t{30}));
        std::iota(rows.begin(), rows.end(), options.size(0, 150));
        std::vector<std::vector<std::uint16_t>> image;
        const double time = seconds([&] { image = map(mandelbrot_row, rows); });
        require_sum(image, options.size(97036603.0, 5898498.0), "mandelbrot");
        report("mandelbrot", time, "s");
    }
    if (options.wants("black_scholes")) {
        const std::vector<Share> input = shares(options.size(1024, 16));
        std::vector<std::vector<double>> prices;
        const double time = seconds([&] { prices = map(call_prices, input); });
        require_sum(prices, options.size(1138214471.0, 841368.7866), "black_scholes");
        report("black_scholes", time, "s");
    }
    if (options.wants("word_count")) {
        const std::string text =
            real_text(options.size(std::size_t{16} << 20, std::size_t{1} << 18));
        const std::vector<std::string> input = blocks(text, 64);
        Counts counts;
        const double time = seconds([&] {
            for (const Counts& part : map(word_counts, input))
                for (const auto& [word, count] : part)
                    counts[word] += count;
        });
        require(word_total(counts) == word_total(text), "word_count");
        report("word_count", time, "s");
    }
}

}  // namespace benchmark
