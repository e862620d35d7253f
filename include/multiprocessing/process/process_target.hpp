// SPDX-License-Identifier: BSL-1.0
// What a Process runs: a callable and its arguments, kept until the start and sent if need be.
#pragma once

#include <functional>
#include <string>
#include <tuple>
#include <type_traits>
#include <typeinfo>
#include <utility>

#include <multiprocessing/core/bytes.hpp>
#include <multiprocessing/core/callable.hpp>
#include <multiprocessing/core/errors.hpp>
#include <multiprocessing/process/fork_server_protocol.hpp>
#include <multiprocessing/process/launch.hpp>
#include <multiprocessing/serialization/pickle.hpp>
#include <multiprocessing/serialization/type_name.hpp>

namespace multiprocessing {
inline namespace v0 {
namespace detail {

class process_target {
  public:
    virtual ~process_target() = default;
    /// Calls the function; once.
    virtual void call() = 0;
    /// What a child that is not forked from here calls with the bytes of `encode`.
    [[nodiscard]] virtual child_role role() const = 0;
    /// @throws PicklingError when the function or an argument cannot be sent
    virtual void encode(output_buffer& out) const = 0;
};

template <class F, class... A>
class typed_target final : public process_target {
  public:
    template <class G>
    typed_target(G&& function, std::tuple<A...> arguments)
        : function_(std::forward<G>(function)), arguments_(std::move(arguments)) {}

    void call() override {
        std::apply([this](A&... a) { std::invoke(function_, std::move(a)...); }, arguments_);
    }
    [[nodiscard]] child_role role() const override { return &run; }
    void encode(output_buffer& out) const override {
        require_picklable<F>("the target");
        (require_picklable<A>("an argument"), ...);
        if constexpr ((Picklable<F> && ... && Picklable<A>)) {
            detail::save(out, function_);
            std::apply([&](const A&... a) { (detail::save(out, a), ...); }, arguments_);
        }
    }

  private:
    static int run([[maybe_unused]] child_setup& setup) {
        if constexpr ((Picklable<F> && ... && Picklable<A>)) {
            input_cursor in(setup.payload);
            begin_process(setup, in);
            F function = load<F>(in);
            std::tuple<A...> arguments{load<A>(in)...};  // braces: from left to right
            typed_target(std::move(function), std::move(arguments)).call();
        }
        return 0;
    }
    template <class T>
    static void require_picklable(const char* what) {
        if constexpr (!Picklable<T>)
            throw PicklingError(std::string("Process.start: ") + what + " of type " +
                                type_name(typeid(T)) +
                                " cannot be pickled; only fork can start such a process");
    }

    F function_;
    std::tuple<A...> arguments_;
};

template <class F, class P>
struct target_from;
template <class F, class... A>
struct target_from<F, pack<A...>> {
    using type = typed_target<F, A...>;
};
template <class F>
using target_for = typename target_from<std::decay_t<F>, pack_of<F>>::type;

}  // namespace detail
}  // namespace v0
}  // namespace multiprocessing
