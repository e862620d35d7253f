// SPDX-License-Identifier: BSL-1.0
// BaseManager: starts a server process, or connects to one, and makes objects of registered
// classes there.
#pragma once

#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

#include <multiprocessing/connection/address.hpp>
#include <multiprocessing/connection/connection.hpp>
#include <multiprocessing/connection/wait.hpp>
#include <multiprocessing/core/bytes.hpp>
#include <multiprocessing/core/callable.hpp>
#include <multiprocessing/core/errors.hpp>
#include <multiprocessing/core/timeout.hpp>
#include <multiprocessing/managers/instance_proxy.hpp>
#include <multiprocessing/managers/proxy.hpp>
#include <multiprocessing/managers/registry.hpp>
#include <multiprocessing/managers/server.hpp>
#include <multiprocessing/managers/sessions.hpp>
#include <multiprocessing/managers/value_proxy.hpp>
#include <multiprocessing/os/interrupt.hpp>
#include <multiprocessing/os/limits.hpp>
#include <multiprocessing/os/named_memory.hpp>
#include <multiprocessing/os/random.hpp>
#include <multiprocessing/os/signal.hpp>
#include <multiprocessing/process/process.hpp>
#include <multiprocessing/serialization/exception.hpp>
#include <multiprocessing/synchronize/action.hpp>

namespace multiprocessing {
inline namespace v0 {

/// The keyword arguments of a manager.
struct ManagerOptions {
    connection::Address address = {};  ///< default: a name that is in no file system
    /// Whoever knows it may use the manager; default: random, known to this process's family where
    /// it has proxies. A program that is compiled without OpenSSL has none: its server lets in this
    /// user's processes alone, through a Unix socket.
    std::optional<std::string> authkey = {};
    std::optional<StartMethod> start_method = {};  ///< default: get_start_method()
    /// How long the server may take to accept a connection of this process.
    Timeout handshake_timeout = detail::handshake_patience;
};

namespace detail {
namespace managed {

/// What the server process needs to know.
struct server_plan {
    connection::Address address;
    std::optional<std::string> authkey;
    class_registry classes;
    action initializer;
};
/// What it says when it has begun, or failed to.
struct start_report {
    connection::Address address;
    std::string failure;  ///< an exception as data; empty: none
};

inline void be_server(server_plan plan, Connection report) {
    sessions::instance().abandon_all();
    os::set_handler(SIGINT, SIG_IGN);  // Ctrl-C is for the one who started it
    os::raise_descriptor_limit();
    std::optional<managers::Server> server;
    try {
        plan.initializer();
        server.emplace(std::move(plan.address), std::move(plan.authkey), std::move(plan.classes));
    } catch (...) {
        heap_buffer failure;
        save_exception(failure, std::current_exception(), this_process().name);
        report.send(
            start_report{{}, {reinterpret_cast<const char*>(failure.data()), failure.size()}});
        return;
    }
    report.send(start_report{server->address(), {}});
    report.close();
    server->serve_forever();
}

/// What register_type() returns: adds methods to a class.
template <class Class>
class class_builder {
  public:
    explicit class_builder(std::string type) : type_(std::move(type)) {}

    /// Lets clients call a method.
    /// @param called a member function of the class, or a callable whose first parameter is a
    ///     reference to it, without captures
    template <class M>
    class_builder& method(std::string name, M called) {
        (void)known_check<M>{};
        (void)function_check<M>{};
        const std::scoped_lock lock(known_classes::instance().mutex);
        known_classes::instance().classes[type_].methods[std::move(name)] = {
            &invoke_method<Class, M>, bytes_of_function(called)};
        return *this;
    }

  private:
    std::string type_;
};

}  // namespace managed
}  // namespace detail

/// A server process that holds objects for its clients, or the way to one.
///
/// start() starts the process, connect() reaches one that another program started, get_server()
/// serves in this process. The destructor ends a process that was started, and the objects with it.
/// @note Move-only. The process is daemonic: it does not outlive its creator, however that ends,
///     and daemonic processes cannot start one. It ignores SIGINT.
/// @note One thread serves all clients, so requests happen one after the other. It waits for no
///     client; what it executes for one, a method or a function given to update(), holds up all.
/// @par Python `multiprocessing.managers.BaseManager`
class BaseManager {
  public:
    explicit BaseManager(ManagerOptions options = {}) : options_(std::move(options)) {
        if (options_.authkey)
            detail::require_hmac();
        else if (os::has_hmac)
            options_.authkey = random_key();
    }
    BaseManager(BaseManager&&) noexcept = default;
    BaseManager& operator=(BaseManager&& other) noexcept {
        if (this != &other) {
            end();
            options_ = std::move(other.options_);
            session_ = std::move(other.session_);
            process_ = std::move(other.process_);
            creator_ = other.creator_;
        }
        return *this;
    }
    ~BaseManager() { end(); }

    /// Lets managers that are started from now on make objects of a class.
    /// @tparam Parameters those of the constructor that create() calls, decayed; none by default
    /// @param type the name by which clients ask for it
    /// @returns an object whose `.method(name, &Class::method)` lets clients call a method
    /// @note Any thread may call it. A class of that name that was registered before is replaced.
    /// @par Python `BaseManager.register(typeid, callable, exposed=...)`
    template <class Class, class... Parameters>
    static detail::managed::class_builder<Class> register_type(std::string type) {
        static_assert(std::is_constructible_v<Class, Parameters...>,
                      "BaseManager::register_type<Class, Parameters...>: the class has no such "
                      "constructor: name its parameters, or give a function that makes one");
        return enter<Class>(std::move(type),
                            {&detail::managed::make_directly<Class, Parameters...>, {}, 0, {}});
    }
    /// The same, with a function that makes the object.
    /// @param make called in the server with what create() is given; returns a Class, or a
    ///     std::shared_ptr of one, which may be the same each time; a lambda without captures or a
    ///     function
    template <class Class, class F>
        requires(!std::convertible_to<F, std::string>)
    static detail::managed::class_builder<Class> register_type(std::string type, F make) {
        (void)detail::known_check<F>{};
        (void)detail::function_check<F>{};
        return enter<Class>(
            std::move(type),
            {&detail::managed::make_by<Class, F>, detail::managed::bytes_of_function(make), 0, {}});
    }

    /// Starts the server process.
    /// @throws ValueError when it was started or connected before, or in a daemonic process
    /// @throws std::system_error (EADDRINUSE, EACCES, ...) when it cannot listen at its address
    /// @throws as Process::start
    void start() { start_with({}); }
    /// The same; the new process first calls `initializer()`, whose exception is thrown here.
    template <std::invocable F>
    void start(F&& initializer) {
        start_with(std::forward<F>(initializer));
    }

    /// Connects to a server that was started elsewhere, at the address and with the key that the
    /// manager was constructed with.
    /// @throws std::system_error (ECONNREFUSED, ENOENT, ...) when nobody listens there
    /// @throws AuthenticationError when the keys differ; TimeoutError when nobody answers
    /// @note A process that is a client of that server already remains one client, with the
    ///     handshake_timeout that it began with.
    void connect() {
        require_fresh("BaseManager.connect");
        session_ = detail::managed::sessions::instance().open(to());
    }

    /// A server for use in this process: `manager.get_server().serve_forever()`.
    /// @throws as start()
    [[nodiscard]] managers::Server get_server() {
        require_fresh("BaseManager.get_server");
        return managers::Server(options_.address, options_.authkey,
                                detail::managed::known_classes::copy());
    }

    /// Ends the server process: by request, after a second by SIGTERM, after another one by
    /// SIGKILL. Nothing when it was not started by this object. Its proxies then throw EOFError.
    /// @throws KeyboardInterrupt under an InterruptGuard
    void shutdown() {
        if (!owns_process())
            return;
        constexpr std::chrono::seconds patience{1};
        const detail::Deadline deadline(patience);
        if (session_) {
            try {
                session_->end_server(deadline);
            } catch (const KeyboardInterrupt&) {
                throw;
            } catch (const std::exception&) {
                // it has ended already, or does not listen
            }
            session_.reset();
        }
        if (!process_->join(deadline.remaining(patience))) {
            process_->terminate();
            if (!process_->join(patience))
                process_->kill();
            process_->join();
        }
        remove_path();
    }
    /// Waits until the server process has ended.
    /// @throws ValueError when this object has started none
    void join() { started("BaseManager.join").join(); }
    /// @returns whether it has ended
    bool join(Timeout timeout) { return started("BaseManager.join").join(timeout); }

    /// Where clients connect.
    [[nodiscard]] connection::Address address() const { return options_.address; }
    /// What they must know.
    [[nodiscard]] std::optional<std::string> authkey() const { return options_.authkey; }
    /// The server process. @throws ValueError when this object has started none
    [[nodiscard]] std::optional<pid_t> pid() const { return started("BaseManager.pid").pid(); }
    /// As Process::exitcode. @throws ValueError when this object has started none
    [[nodiscard]] std::optional<int> exitcode() const {
        return started("BaseManager.exitcode").exitcode();
    }

    /// How many objects the server holds.
    [[nodiscard]] std::size_t number_of_objects() const {
        return about_server(detail::managed::verb::count).send().number<std::uint64_t>();
    }
    /// The Namespace that every client of the server finds: where programs that have nothing in
    /// common but an address leave proxies for each other.
    /// @par Python has none; there each shared object is registered with a function
    [[nodiscard]] NamespaceProxy globals() const {
        const auto& own = session();
        detail::managed::request ask(own->server(), own, detail::managed::globals_id,
                                     detail::managed::verb::refer);
        const auto granted = ask.number(std::uint64_t{0}).send();
        return refer<NamespaceProxy>(detail::managed::globals_id);
    }

    /// Makes an object of a registered class in the server.
    /// @param type the name under which the server's program registered the class
    /// @param arguments of the types of the registered parameters, decayed
    /// @throws std::out_of_range when no class is registered by that name
    /// @throws UnpicklingError when the arguments are of other types; what the constructor throws
    /// @note A proxy of the same manager among the arguments keeps nothing alive in the new object.
    template <class Class, class... A>
    InstanceProxy<Class> create(std::string_view type, const A&... arguments) const {
        return make<InstanceProxy<Class>>(
            detail::managed::object_kind::instance, [&](detail::managed::request& ask) {
                ask.bytes(type).data([&](detail::output_buffer& out) {
                    detail::managed::write_arguments(
                        out, std::tuple<detail::managed::sent_argument<A>...>(arguments...));
                });
            });
    }

  protected:
    /// Makes an object in the server.
    /// @param write appends what the kind of object is made from
    template <class Proxy, class Write>
    Proxy make(detail::managed::object_kind kind, Write write) const {
        auto ask = about_server(detail::managed::verb::create);
        ask.number(kind);
        write(ask);
        auto made = ask.send();
        return refer<Proxy>(made.template number<detail::managed::object_id>());
    }

  private:
    template <class Class>
    static detail::managed::class_builder<Class> enter(std::string type,
                                                       detail::managed::registered_class about) {
        about.tag = detail::type_tag<Class>();
        auto& known = detail::managed::known_classes::instance();
        const std::scoped_lock lock(known.mutex);
        known.classes[type] = std::move(about);
        return detail::managed::class_builder<Class>(std::move(type));
    }
    static std::string random_key() {
        std::string key(32, '\0');
        os::fill_random(key.data(), key.size());
        return key;
    }

    [[nodiscard]] detail::managed::server_address to() const {
        return {options_.address, options_.authkey, options_.handshake_timeout};
    }
    void require_fresh(const char* call) const {
        if (session_ || process_)
            throw ValueError(std::string(call) + ": the manager was started or connected before");
    }
    void start_with(detail::action initializer) {
        require_fresh("BaseManager.start");
        auto [ours, theirs] = Pipe(false);
        const detail::managed::server_plan plan{options_.address, options_.authkey,
                                                detail::managed::known_classes::copy(),
                                                std::move(initializer)};
        auto process = std::make_unique<Process>(
            &detail::managed::be_server, std::tuple(plan, theirs),
            ProcessOptions{.daemon = true, .start_method = options_.start_method});
        process->name("Manager" + process->name().substr(process->name().find('-')));
        process->start();
        theirs.close();
        (void)connection::wait({ours.fileno(), process->sentinel()});
        if (!ours.poll())
            throw ProcessError("manager: the server process ended before it could begin");
        const auto report = ours.recv<detail::managed::start_report>();
        if (!report.failure.empty()) {
            detail::input_cursor failure(std::as_bytes(std::span(report.failure)));
            std::rethrow_exception(detail::load_exception(failure));
        }
        options_.address = report.address;
        session_ = detail::managed::sessions::instance().open(to());
        process_ = std::move(process);
    }

    [[nodiscard]] const std::shared_ptr<detail::managed::session>& session() const {
        if (!session_)
            throw ValueError("manager: it is not started, or not any more");
        return session_;
    }
    [[nodiscard]] detail::managed::request about_server(detail::managed::verb what) const {
        const auto& own = session();
        return {own->server(), own, 0, what};
    }
    template <class Proxy>
    [[nodiscard]] Proxy refer(detail::managed::object_id id) const {
        Proxy proxy;
        proxy.refer_to(
            std::make_shared<detail::managed::reference>(session_->server(), session_, id));
        return proxy;
    }

    [[nodiscard]] bool owns_process() const noexcept {
        return process_ && creator_ == os::process_id();
    }
    [[nodiscard]] Process& started(const char* call) const {
        if (!process_)
            throw ValueError(std::string(call) + ": this manager has started no process");
        return *process_;
    }
    /// A server that was killed has left the path of its socket.
    void remove_path() const noexcept {
        try {
            const connection::Address& at = options_.address;
            if (!at.is_internet() && !at.is_abstract())
                if (const auto file = os::identity_of(at.path()))
                    os::unlink_if_same(at.path(), *file);
        } catch (...) {
            // no memory for the path's copy: it stays
        }
    }
    void end() noexcept {
        try {
            shutdown();
        } catch (const KeyboardInterrupt&) {
            detail::interrupt_pending = true;  // the process is ended below
        } catch (const std::exception& error) {
            get_logger().warning(std::string("manager: shutdown: ") + error.what());
        }
        session_.reset();
        process_.reset();
    }

    ManagerOptions options_;
    std::shared_ptr<detail::managed::session> session_;
    std::unique_ptr<Process> process_;
    pid_t creator_ = os::process_id();
};

}  // namespace v0
}  // namespace multiprocessing
