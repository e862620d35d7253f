// SPDX-License-Identifier: BSL-1.0
// What can be sent to another process is known when the program is compiled: mp::Picklable<T>.
// dumps() and loads() are the way there and back.
#include <fstream>
#include <iostream>
#include <map>
#include <multiprocessing.hpp>
#include <mutex>
#include <string>
#include <vector>

namespace mp = multiprocessing;

struct Point {  // an aggregate of picklable members: nothing to write
    double x, y;
    std::string label;
    bool operator==(const Point&) const = default;
};

class Account {  // private members: serialize() and a default constructor
  public:
    explicit Account(int balance = 0) : balance_(balance) {}
    bool operator==(const Account&) const = default;
    template <class Archive>
    void serialize(Archive& archive, unsigned /*version*/) {
        archive& balance_;
    }

  private:
    int balance_;
};

int square(int x) {
    return x * x;
}

template <class T>
void there_and_back(const char* what, const T& value) {
    const bool same = mp::loads<T>(mp::dumps(value)) == value;
    std::cout << what << ": " << (same ? "yes" : "changed on the way") << '\n';
}

int main() {
    there_and_back("a number", 42);
    there_and_back("a string", std::string("text"));
    there_and_back("a map of lists", std::map<std::string, std::vector<int>>{{"a", {1, 2}}});
    there_and_back("a plain class", Point{1, 2, "a"});
    there_and_back("a class with private members", Account(7));
    there_and_back("a function", &square);

    // dumps(std::mutex()) would not compile: "a value of this type cannot be pickled".
    std::cout << "a lock of threads: " << (mp::Picklable<std::mutex> ? "yes" : "no") << '\n';
    std::cout << "an open file: " << (mp::Picklable<std::ofstream> ? "yes" : "no") << '\n';
}
