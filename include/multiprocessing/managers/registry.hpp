// SPDX-License-Identifier: BSL-1.0
// The classes that a program registers for its managers: how to make an object, and its methods.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include <multiprocessing/core/bytes.hpp>
#include <multiprocessing/core/callable.hpp>
#include <multiprocessing/core/errors.hpp>
#include <multiprocessing/managers/object.hpp>
#include <multiprocessing/serialization/pickle.hpp>
#include <multiprocessing/serialization/type_name.hpp>

namespace multiprocessing {
inline namespace v0 {
namespace detail {
namespace managed {

/// A text literal arrives as a std::string.
template <class A>
using sent_argument = std::conditional_t<std::is_convertible_v<std::decay_t<A>, const char*>,
                                         std::string, std::decay_t<A>>;

/// Arguments travel with a tag of their types.
template <class... A>
void write_arguments(output_buffer& out, const std::tuple<A...>& arguments) {
    out.append_value(type_tag<std::tuple<A...>>());
    detail::save(out, arguments);
}
/// @throws UnpicklingError when the caller sent other types
template <class Tuple>
Tuple read_arguments(input_cursor& in) {
    if (in.read_value<std::uint64_t>() != type_tag<Tuple>())
        throw UnpicklingError("manager: the parameters are " + type_name(typeid(Tuple)) +
                              ", the arguments are of other types");
    return load<Tuple>(in);
}
/// Writes what a call returns, with a tag of its type.
template <class R, class Call>
void write_result(output_buffer& out, Call function) {
    out.append_value(type_tag<R>());
    if constexpr (std::is_void_v<R>)
        function();
    else
        detail::save<R>(out, function());
}

using function_bytes = std::vector<std::byte>;

template <class F>
function_bytes bytes_of_function(const F& function) {
    vector_buffer buffer;
    detail::save(buffer, function);
    return std::move(buffer).take();
}
template <class F>
F function_from(const function_bytes& bytes) {
    input_cursor cursor(bytes);
    return load<F>(cursor);
}

struct registered_method {
    void (*invoke)(void* object, const function_bytes& method, input_cursor& in,
                   output_buffer& out) = nullptr;
    function_bytes method;
};
/// All of it can be sent to a server that is executed anew.
struct registered_class {
    std::shared_ptr<void> (*make)(const function_bytes& factory, input_cursor& in) = nullptr;
    function_bytes factory;
    std::uint64_t tag = 0;
    std::map<std::string, registered_method> methods;
};
using class_registry = std::map<std::string, registered_class>;

/// The registry of this process.
struct known_classes {
    std::mutex mutex;
    class_registry classes;

    static known_classes& instance() {
        static auto& object = *new known_classes;
        return object;
    }
    static class_registry copy() {
        const std::scoped_lock lock(instance().mutex);
        return instance().classes;
    }
};

template <class Class, class F>
std::shared_ptr<void> make_by(const function_bytes& bytes, input_cursor& in) {
    const F factory = function_from<F>(bytes);
    using R = result_of<F>;
    auto arguments = read_arguments<tuple_of<F>>(in);
    if constexpr (std::is_same_v<R, std::shared_ptr<Class>>)
        return std::apply(factory, std::move(arguments));
    else
        return std::make_shared<Class>(std::apply(factory, std::move(arguments)));
}
template <class Class, class... A>
std::shared_ptr<void> make_directly(const function_bytes&, input_cursor& in) {
    return std::apply([](auto&&... a) { return std::make_shared<Class>(std::move(a)...); },
                      read_arguments<std::tuple<A...>>(in));
}

/// The parameters of a method besides its object.
template <class F>
using method_arguments = typename tuple_from<typename drop_first<1, pack_of<F>>::type>::type;

template <class Class, class F>
void invoke_method(void* object, const function_bytes& bytes, input_cursor& in,
                   output_buffer& out) {
    const F method = function_from<F>(bytes);
    auto arguments = read_arguments<method_arguments<F>>(in);
    write_result<result_of<F>>(out, [&]() -> decltype(auto) {
        return std::apply(
            [&](auto&&... a) -> decltype(auto) {
                return std::invoke(method, *static_cast<Class*>(object), std::move(a)...);
            },
            std::move(arguments));
    });
}

/// The name under which this program has registered a method.
/// @throws std::out_of_range when it has not
template <class Class, class M>
std::string name_of_method(M method) {
    const function_bytes wanted = bytes_of_function(method);
    const std::scoped_lock lock(known_classes::instance().mutex);
    for (const auto& [type, about] : known_classes::instance().classes)
        if (about.tag == type_tag<Class>())
            for (const auto& [name, each] : about.methods)
                if (each.method == wanted)
                    return name;
    throw std::out_of_range("manager: this method of " + type_name(typeid(Class)) +
                            " is not registered");
}

/// An object of a registered class.
class instance_object final : public managed_object {
  public:
    instance_object(std::string type, const registered_class& about, std::shared_ptr<void> object)
        : type_(std::move(type)), about_(about), object_(std::move(object)) {}

    /// @throws UnpicklingError when the object is of another class
    template <class Class>
    [[nodiscard]] Class& as() const {
        if (about_.tag != type_tag<Class>())
            throw UnpicklingError("manager: a " + type_ + " is no " + type_name(typeid(Class)));
        return *static_cast<Class*>(object_.get());
    }

    void handle(call& request) override {
        if (request.what != verb::invoke)
            refuse(request);
        const std::string name(take_bytes(request.in));
        const auto found = about_.methods.find(name);
        if (found == about_.methods.end())
            throw std::out_of_range("manager: " + type_ + " has no registered method " +
                                    printable(name));
        found->second.invoke(object_.get(), found->second.method, request.in, request.out);
    }

  private:
    const std::string type_;
    const registered_class& about_;
    const std::shared_ptr<void> object_;
};

}  // namespace managed
}  // namespace detail
}  // namespace v0
}  // namespace multiprocessing
