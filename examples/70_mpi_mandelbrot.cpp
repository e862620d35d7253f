// SPDX-License-Identifier: BSL-1.0
// Renders an image of the Mandelbrot set: on the CPUs of this machine, or, started by mpirun, on
// those of many. The program is the same, and so is the file that it writes.
//
//   ./70_mpi_mandelbrot mandelbrot.pgm
//   mpirun -n 16 --hostfile hosts ./70_mpi_mandelbrot mandelbrot.pgm
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <iostream>
#include <multiprocessing/mpi.hpp>
#include <ranges>
#include <vector>

namespace mp = multiprocessing;

constexpr int width = 960;
constexpr int height = 640;

// The grey of every point of a row: how soon it leaves the circle of radius two.
std::vector<std::uint8_t> render(int row) {
    std::vector<std::uint8_t> greys(width);
    const double y0 = 2.4 * row / height - 1.2;
    for (int column = 0; column < width; ++column) {
        const double x0 = 3.6 * column / width - 2.5;
        double x = 0, y = 0;
        int n = 0;
        for (; n < 255 && x * x + y * y <= 4; ++n) {
            const double next = x * x - y * y + x0;
            y = 2 * x * y + y0;
            x = next;
        }
        greys[static_cast<std::size_t>(column)] = static_cast<std::uint8_t>(255 - n);
    }
    return greys;
}

int main(int argc, char** argv) {
    return mp::mpi::run(argc, argv, [&](mp::mpi::Pool& pool) {
        std::ofstream file(argc > 1 ? argv[1] : "mandelbrot.pgm", std::ios::binary);
        file << "P5\n" << width << ' ' << height << "\n255\n";
        // Rows come in their order, while later ones are still being rendered elsewhere.
        for (const auto& row : pool.imap(render, std::views::iota(0, height)))
            for (const std::uint8_t grey : row)
                file.put(static_cast<char>(grey));
        if (!file.flush())
            std::cerr << "cannot write the image\n";
        return file ? 0 : 1;
    });
}
