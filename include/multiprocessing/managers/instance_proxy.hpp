// SPDX-License-Identifier: BSL-1.0
// InstanceProxy: an object of a registered class in a manager's server.
#pragma once

#include <functional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

#include <multiprocessing/core/callable.hpp>
#include <multiprocessing/managers/proxy.hpp>
#include <multiprocessing/managers/registry.hpp>
#include <multiprocessing/managers/sent_function.hpp>
#include <multiprocessing/serialization/arguments.hpp>

namespace multiprocessing {
inline namespace v0 {

/// An object of a class that was registered with BaseManager::register_type.
///
/// A handle, as DictProxy is; see there. Its methods run in the server, one call at a time.
/// @par Python `multiprocessing.managers.AutoProxy`
template <class Class>
class InstanceProxy : public detail::managed::proxy<InstanceProxy<Class>> {
    using verb = detail::managed::verb;

  public:
    /// Names no object, until one is assigned.
    InstanceProxy() = default;

    /// Calls a registered method.
    /// @tparam R what it returns, decayed
    /// @param arguments of the method's own parameter types, decayed
    /// @throws std::out_of_range when none is registered by that name
    /// @throws UnpicklingError when its parameters or its result are of other types
    /// @throws what the method throws, with its type
    template <class R = void, class... A>
    R call(std::string_view method, const A&... arguments) const {
        return call_with<R>(method, std::tuple<detail::managed::sent_argument<A>...>(arguments...));
    }
    /// Calls a registered method; the arguments are converted to its parameters' types.
    /// @param method as it was registered: `&Class::method`
    /// @throws std::out_of_range when it is not registered
    template <class M, class... A>
        requires std::is_member_function_pointer_v<M>
    auto call(M method, A&&... arguments) const {
        using Arguments = detail::managed::method_arguments<M>;
        static_assert(std::is_constructible_v<Arguments, A...>,
                      "InstanceProxy.call: the arguments do not fit the method's parameters");
        return call_with<detail::result_of<M>>(detail::managed::name_of_method<Class>(method),
                                               Arguments(std::forward<A>(arguments)...));
    }

    /// Calls a function with the object itself; no other call sees a state in between.
    /// @param f called in the server with a `Class&`; else as DictProxy::update, but it works on
    /// the object itself: what it had changed before it threw stays changed
    template <class F>
    auto update(F&& f) const {
        (void)detail::managed::update_check<F, Class>{};
        if constexpr (detail::managed::updater<F, Class>) {
            using Function = std::decay_t<F>;
            return this->ask(verb::run)
                .template function<Function>(&detail::managed::update_instance<Class, Function>, f)
                .send()
                .template returned<detail::result_of<Function>>();
        }
    }

  private:
    template <class R, class Tuple>
    R call_with(std::string_view method, const Tuple& arguments) const {
        return this->ask(verb::invoke)
            .bytes(method)
            .data([&](detail::output_buffer& out) {
                detail::managed::write_arguments(out, arguments);
            })
            .send()
            .template returned<R>();
    }
};

}  // namespace v0
}  // namespace multiprocessing
