// SPDX-License-Identifier: BSL-1.0
// Objects behind pointers: written once however many pointers share them, rebuilt as the class
// that they were, cycles included.
#pragma once

#include <boost/serialization/extended_type_info.hpp>
#include <boost/serialization/level.hpp>
#include <boost/serialization/singleton.hpp>
#include <boost/serialization/type_info_implementation.hpp>
#include <boost/serialization/void_cast.hpp>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <string>
#include <type_traits>
#include <typeinfo>

#include <multiprocessing/serialization/archive.hpp>
#include <multiprocessing/serialization/picklable.hpp>
#include <multiprocessing/serialization/type_name.hpp>

namespace multiprocessing {
inline namespace v0 {
namespace detail {

/// A pointer to T may point to an object of a class derived from T, which Boost knows by a key.
template <class T>
concept derivable = std::is_polymorphic_v<T> && boost_serializable<T>;

template <class T>
const boost::serialization::extended_type_info& about_class() {
    return boost::serialization::singleton<
        typename boost::serialization::type_info_implementation<T>::type>::get_const_instance();
}

// ---- writing

/// Writes an object of a class derived from T: the key of its class, then the object.
template <class T>
void encode_derived(writer& out, const T& object) {
    using about = typename boost::serialization::type_info_implementation<T>::type;
    const auto& here = static_cast<const about&>(about_class<T>());
    const auto* whole = here.get_derived_extended_type_info(object);
    const char* key = whole == nullptr ? nullptr : whole->get_key();
    const void* address = nullptr;
    const boost::archive::detail::basic_pointer_oserializer* serializer = nullptr;
    if (key != nullptr && std::strlen(key) <= 255) {
        serializer = static_cast<const boost::archive::detail::basic_pointer_oserializer*>(
            boost::archive::detail::archive_serializer_map<out_archive>::find(*whole));
        address = boost::serialization::void_downcast(*whole, here, std::addressof(object));
    }
    if (serializer == nullptr || address == nullptr)
        throw PicklingError("pickling: the class " + type_name(typeid(object)) +
                            " behind a pointer to " + type_name(typeid(T)) +
                            " is not known: BOOST_CLASS_EXPORT it, and name its base with "
                            "boost::serialization::base_object in its serialize()");
    out.value(static_cast<std::uint8_t>(std::strlen(key)));
    out.bytes(key, std::strlen(key));
    serializer->save_object_ptr(out.archive(), address);
}

/// Writes the object behind a pointer, of whichever class.
template <class T>
void encode_target(writer& out, const T& object) {
    out.check_depth();
    if constexpr (derivable<T>) {
        if (typeid(object) != typeid(T))
            return detail::encode_derived(out, object);
        out.value(std::uint8_t{0});  // no key: T itself
    }
    if constexpr (!std::is_abstract_v<T>)
        detail::encode(out, object);
}

/// Writes 0 for null, the number of an object written before, or the next number and the object.
template <class T>
void encode_tracked(writer& out, const T* object, bool shared) {
    if (object == nullptr)
        return out.count(0);
    const void* whole = object;
    const std::type_info* type = &typeid(T);
    if constexpr (std::is_polymorphic_v<T>) {
        whole = dynamic_cast<const void*>(object);
        type = &typeid(*object);
    }
    const auto [number, fresh] = out.number_of(whole, *type, shared);
    out.value(number);
    if (fresh)
        detail::encode_target(out, *object);
}

// ---- reading

/// Builds an object of the class that Boost knows by `key` and fills it. `keep(T*, void*, about)`
/// takes it over between the two: it is found from inside itself, and not lost if reading fails.
template <class T, class Keep>
void decode_derived(reader& in, const std::string& key, Keep keep) {
    using boost::archive::detail::basic_pointer_iserializer;
    const auto* whole = boost::serialization::extended_type_info::find(key.c_str());
    const auto* serializer =
        whole == nullptr
            ? nullptr
            : static_cast<const basic_pointer_iserializer*>(
                  boost::archive::detail::archive_serializer_map<in_archive>::find(*whole));
    if (serializer == nullptr)
        throw UnpicklingError("unpickling: this program knows no class by the key " +
                              printable(key));
    void* memory = serializer->heap_allocation();
    try {
        // Boost constructs and fills in one step; told to leave the object out, it only constructs.
        in.leave_out(memory);
        serializer->load_object_ptr(in.archive(), memory, 0);
        in.leave_out(nullptr);
    } catch (...) {
        in.leave_out(nullptr);
        ::operator delete(memory);
        throw;
    }
    T* object =
        static_cast<T*>(boost::serialization::void_upcast(*whole, about_class<T>(), memory));
    if (object == nullptr) {
        serializer->get_basic_serializer().destroy(memory);
        throw UnpicklingError("unpickling: the class " + printable(key) + " does not derive from " +
                              type_name(typeid(T)));
    }
    keep(object, memory, whole);
    const auto& filler = serializer->get_basic_serializer();
    const boost::archive::version_type newest = filler.version();
    const unsigned version = filler.class_info() ? in.class_version(newest) : 0u;
    filler.load_object_data(in.archive(), memory, version);
}

/// Builds and fills the object behind a pointer; `keep` as above, `make` makes a T and keeps it. It
/// is a template, for an abstract T cannot be made.
template <class T, class Make, class Keep>
void decode_target(reader& in, Make make, Keep keep) {
    in.check_depth();
    if constexpr (derivable<T>) {
        std::string key(in.value<std::uint8_t>(), '\0');
        in.bytes(key.data(), key.size());
        if (!key.empty())
            return detail::decode_derived<T>(in, key, keep);
    }
    if constexpr (std::is_abstract_v<T> || !std::is_default_constructible_v<T>)
        throw UnpicklingError("unpickling: an object of " + type_name(typeid(T)) +
                              ", which has no default constructor");
    else
        detail::decode(in, make(std::type_identity<T>{}));
}

/// The object with a number read before, as a T.
template <class T>
T* known_object(const reader::object& object) {
    if (object.type != nullptr && *object.type == typeid(T))
        return static_cast<T*>(object.address);
    T* result = nullptr;
    if constexpr (derivable<T>) {
        if (object.about != nullptr)
            result = static_cast<T*>(
                boost::serialization::void_upcast(*object.about, about_class<T>(), object.address));
    }
    if (result == nullptr)
        throw UnpicklingError("unpickling: a shared object is no " + type_name(typeid(T)));
    return result;
}

template <class T>
const boost::serialization::extended_type_info* about_if_derivable() {
    if constexpr (derivable<T>)
        return &about_class<T>();
    else
        return nullptr;
}

/// Returns the place of the object in `in.objects()`, and whether it is yet to be built.
inline std::pair<std::size_t, bool> decode_number(reader& in, std::uint64_t number) {
    const std::size_t known = in.objects().size();
    if (number > known + 1)
        throw UnpicklingError("unpickling: a pointer to an object that was never written");
    if (number == known + 1)
        in.objects().emplace_back();
    return {static_cast<std::size_t>(number - 1), number == known + 1};
}

template <class T>
void decode_shared(reader& in, std::shared_ptr<T>& pointer) {
    pointer.reset();
    const auto number = in.value<std::uint64_t>();
    if (number == 0)
        return;
    const auto [place, fresh] = detail::decode_number(in, number);
    if (!fresh) {
        const reader::object& object = in.objects()[place];
        if (!object.owner)
            throw UnpicklingError("unpickling: a shared object that nothing owns");
        pointer = std::shared_ptr<T>(object.owner, known_object<T>(object));
        return;
    }
    const auto make = [&, index = place]<class U>(std::type_identity<U>) -> T& {
        pointer = std::make_shared<U>();
        in.objects()[index] = {pointer, pointer.get(), &typeid(T), about_if_derivable<T>()};
        return *pointer;
    };
    detail::decode_target<T>(in, make,
                             [&, index = place](T* object, void* whole, const auto* about) {
                                 pointer.reset(object);
                                 in.objects()[index] = {pointer, whole, nullptr, about};
                             });
}

template <class T>
void decode_raw(reader& in, T*& pointer) {
    pointer = nullptr;
    const auto number = in.value<std::uint64_t>();
    if (number == 0)
        return;
    const auto [place, fresh] = detail::decode_number(in, number);
    if (!fresh) {
        const reader::object& object = in.objects()[place];
        if (object.owner)
            throw UnpicklingError("unpickling: a raw pointer to an object that is owned");
        pointer = known_object<T>(object);
        return;
    }
    const auto make = [&, index = place]<class U>(std::type_identity<U>) -> T& {
        pointer = new U();
        in.objects()[index] = {nullptr, pointer, &typeid(T), about_if_derivable<T>()};
        return *pointer;
    };
    detail::decode_target<T>(in, make,
                             [&, index = place](T* object, void* whole, const auto* about) {
                                 pointer = object;
                                 in.objects()[index] = {nullptr, whole, nullptr, about};
                             });
}

template <class T>
void decode_unique(reader& in, std::unique_ptr<T>& pointer) {
    using Target = std::remove_const_t<T>;
    pointer.reset();
    if (!in.flag())
        return;
    const auto make = [&]<class U>(std::type_identity<U>) -> Target& {
        Target* built = new U();
        pointer.reset(built);
        return *built;
    };
    detail::decode_target<Target>(
        in, make, [&](Target* object, void*, const auto*) { pointer.reset(object); });
}

}  // namespace detail
}  // namespace v0
}  // namespace multiprocessing
