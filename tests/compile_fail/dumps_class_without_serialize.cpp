// expect: cannot be pickled
// SPDX-License-Identifier: BSL-1.0
// A class that says nothing about its bytes.
#include <multiprocessing/serialization.hpp>

class Opaque {
  public:
    int value() const { return value_; }

  private:
    int value_ = 0;
};

int main() {
    return static_cast<int>(multiprocessing::dumps(Opaque()).size());
}
