// SPDX-License-Identifier: BSL-1.0
// The same values through Boost.Serialization's binary archives, on streams as it is mostly used.
#include <boost/archive/binary_iarchive.hpp>
#include <boost/archive/binary_oarchive.hpp>
#include <boost/serialization/map.hpp>
#include <boost/serialization/string.hpp>
#include <boost/serialization/vector.hpp>
#include <sstream>

#include "workload.hpp"

using namespace benchmark;

namespace boost::serialization {

template <class Archive>
void serialize(Archive& archive, Order& value, unsigned /*version*/) {
    archive& value.number& value.price& value.pieces& value.paid;
}
template <class Archive>
void serialize(Archive& archive, Customer& value, unsigned /*version*/) {
    archive& value.name& value.orders& value.notes;
}

}  // namespace boost::serialization

namespace {

struct Archives {
    template <class T>
    static std::string dumps(const T& value) {
        std::ostringstream stream;
        boost::archive::binary_oarchive(stream) << value;
        return std::move(stream).str();
    }
    template <class T>
    static T loads(const std::string& bytes) {
        std::istringstream stream(bytes);
        T value;
        boost::archive::binary_iarchive(stream) >> value;
        return value;
    }
};

}  // namespace

int main(int argc, char** argv) {
    const Micro micro(argc, argv);
    add_values<Archives>(micro);
    micro.run();
}
