// SPDX-License-Identifier: BSL-1.0
// The public promise of connections, as users write them: it must compile without a warning.
#include <chrono>
#include <cstddef>
#include <multiprocessing.hpp>
#include <string>
#include <vector>

namespace mp = multiprocessing;
using namespace std::chrono_literals;

struct Message {
    double x, y;
    std::string label;
};

void pipes(const std::vector<std::byte>& bytes) {
    mp::Connection c1, c2;
    auto [left, right] = mp::Pipe();
    left.send(Message{1, 2, "a"});
    Message p = right.recv<Message>();
    left.send_bytes(bytes);
    auto b = right.recv_bytes();
    right.poll();
    right.poll(10ms);
    right.fileno();
    right.close();
    std::vector<mp::Connection> ready = mp::connection::wait({c1, c2}, 1s);
    mp::Process pr([] {});
    std::vector<int> fds = mp::connection::wait({pr.sentinel(), c1.fileno()}, 1s);
    mp::connection::wait(fds);
    mp::connection::wait({c1});
    mp::connection::wait(ready, 2.5s);
    auto [r, w] = mp::Pipe(false);
    r.poll();
    w.send(1);
    w.send("text");
    auto l = [r = r] { return r.recv<int>(); };
    (void)l;
}

void listeners() {
    mp::connection::Listener listener({.address = "/run/app.sock", .authkey = "secret"});
    mp::Connection c = listener.accept();
    mp::Connection d = mp::connection::Client("/run/app.sock", {.authkey = "secret"});
    mp::connection::Listener l2({.address = {"127.0.0.1", 6000}, .authkey = "secret"});
    mp::connection::Client({"127.0.0.1", 6000});
    mp::connection::Client({"127.0.0.1", 6000}, {.authkey = "k"});
    std::string a = "x";
    mp::connection::Client(a);
    mp::connection::Client(std::string("x"), {.authkey = a});
    mp::connection::Listener l3({.address = "\0name", .backlog = 5, .handshake_timeout = 2.5s});
    mp::connection::Listener l4;
    l4 = mp::connection::Listener({.address = {"localhost", 0L}});
    mp::connection::Client(l4.address(), {.authkey = "k", .handshake_timeout = 1s});
}

static_assert(mp::Picklable<mp::Connection>);
static_assert(mp::Picklable<mp::connection::Address>);
static_assert(mp::Picklable<mp::reduction::DupFd>);
static_assert(!mp::Picklable<mp::connection::Listener>);
static_assert(std::copyable<mp::Connection> && !std::copyable<mp::connection::Listener>);
