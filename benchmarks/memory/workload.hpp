// SPDX-License-Identifier: BSL-1.0
// How the memory of one worker is measured: what the family of eight has more than that of one.
#pragma once

#include "../support/measure.hpp"
#include "../support/processes.hpp"

namespace benchmark {

/// The memory of one worker in MiB. `family_with(count)` returns the memory of all processes while
/// so many workers are there.
template <class FamilyWith>
double memory_of_a_worker(const Options& options, FamilyWith&& family_with) {
    const int many = options.size(8, 2);
    family_with(many);  // what this process keeps for ever is there before
    return (family_with(many) - family_with(1)) / (many - 1);
}

}  // namespace benchmark
