// SPDX-License-Identifier: BSL-1.0
// A callable without parameters that a handle carries along, to other processes too if it can.
#pragma once

#include <atomic>
#include <concepts>
#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <type_traits>
#include <typeinfo>
#include <utility>
#include <vector>

#include <multiprocessing/core/bytes.hpp>
#include <multiprocessing/core/errors.hpp>
#include <multiprocessing/serialization/picklable.hpp>
#include <multiprocessing/serialization/pickle.hpp>
#include <multiprocessing/serialization/type_name.hpp>

namespace multiprocessing {
inline namespace v0 {
namespace detail {

/// Copies share one callable. A forked child inherits it; another process gets its bytes, and the
/// function that makes it of them.
class action {
  public:
    /// Does nothing.
    action(std::nullptr_t = nullptr) noexcept {}
    template <class F>
        requires(std::invocable<std::decay_t<F>&> && !std::same_as<std::decay_t<F>, action>)
    action(F&& f) : call_(std::make_shared<call_of<std::decay_t<F>>>(std::forward<F>(f))) {}

    void operator()() const {
        if (call_)
            call_->run();
    }

    /// @throws PicklingError when the callable cannot be pickled
    /// @throws UnpicklingError when the bytes are not those of an action of this program
    template <class Archive>
    void serialize(Archive& archive, unsigned /*version*/) {
        bool acts = call_ != nullptr;
        archive& acts;
        if (!acts)
            return;
        loader load = nullptr;
        std::vector<std::byte> bytes;
        if constexpr (Archive::is_saving::value)
            load = call_->save(bytes);
        archive& load& bytes;
        if constexpr (Archive::is_loading::value) {
            if (!known_loader::knows(load))
                throw UnpicklingError("unpickling: this program has no such action");
            call_ = load(bytes);
        }
    }

  private:
    struct call;
    using loader = std::shared_ptr<call> (*)(std::span<const std::byte>);

    struct call {
        virtual ~call() = default;
        virtual void run() = 0;
        /// @returns what makes a call of these bytes
        virtual loader save(std::vector<std::byte>& bytes) const = 0;
    };

    /// The loaders of this program, in a list that only grows: foreign bytes can name any code, but
    /// have none but these called.
    class known_loader {
      public:
        explicit known_loader(loader load) noexcept : load_(load), next_(first().load()) {
            while (!first().compare_exchange_weak(next_, this)) {
            }
        }
        static bool knows(loader load) noexcept {
            const known_loader* known = first();
            while (known != nullptr && known->load_ != load)
                known = known->next_;
            return known != nullptr;
        }

      private:
        static std::atomic<const known_loader*>& first() noexcept {
            static constinit std::atomic<const known_loader*> head{nullptr};
            return head;
        }

        const loader load_;
        const known_loader* next_;
    };

    template <class F>
    struct call_of final : call {
        template <class G>
        explicit call_of(G&& g) : f(std::forward<G>(g)) {}

        void run() override { std::invoke(f); }
        loader save([[maybe_unused]] std::vector<std::byte>& bytes) const override {
            if constexpr (Picklable<F>) {
                (void)known;
                vector_buffer buffer;
                detail::save(buffer, f);
                bytes = std::move(buffer).take();
                return load;
            } else {
                throw PicklingError("pickling: an action of type " + type_name(typeid(F)) +
                                    " cannot be pickled; only fork can pass it on");
            }
        }
        static std::shared_ptr<call> load(std::span<const std::byte> bytes) {
            input_cursor cursor(bytes);
            return std::make_shared<call_of>(detail::load<F>(cursor));
        }

        /// Made before main begins, wherever the program has a barrier with this action.
        static inline const known_loader known{load};

        F f;
    };

    std::shared_ptr<call> call_;
};

}  // namespace detail
}  // namespace v0
}  // namespace multiprocessing
