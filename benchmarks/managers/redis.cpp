// SPDX-License-Identifier: BSL-1.0
// The same calls to a Redis server over a Unix socket, which this program starts. Without the
// program redis-server it says so and measures nothing.
#include <multiprocessing.hpp>

#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "workload.hpp"

using namespace benchmark;

namespace {

/// A connection that sends commands and reads one answer to each, by the plainest means.
class Client {
  public:
    explicit Client(const std::string& path) : fd_(::socket(AF_UNIX, SOCK_STREAM, 0)) {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        path.copy(address.sun_path, sizeof address.sun_path - 1);
        connected_ =
            ::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
    }
    Client(const Client&) = delete;
    Client& operator=(const Client&) = delete;
    ~Client() { ::close(fd_); }
    [[nodiscard]] bool connected() const { return connected_; }

    void begin(std::size_t words) { text_ = "*" + std::to_string(words) + "\r\n"; }
    void word(std::string_view word) {
        text_ += "$" + std::to_string(word.size()) + "\r\n";
        text_.append(word).append("\r\n");
    }
    /// @returns the answer's lines, without the last line's end
    std::string ask(int lines) {
        for (std::size_t sent = 0; sent < text_.size();) {
            const auto more = ::send(fd_, text_.data() + sent, text_.size() - sent, MSG_NOSIGNAL);
            require(more > 0, "redis: send");
            sent += static_cast<std::size_t>(more);
        }
        std::string answer;
        char place[4096];
        for (int seen = 0; seen < lines;) {
            const auto got = ::recv(fd_, place, sizeof place, 0);
            require(got > 0, "redis: recv");
            for (ssize_t i = 0; i < got; ++i)
                seen += place[i] == '\n' ? 1 : 0;
            answer.append(place, static_cast<std::size_t>(got));
        }
        return answer.substr(0, answer.size() - 2);
    }

    void set(int key, int value, const std::string& hash) {
        begin(4);
        word("HSET");
        word(hash);
        word(std::to_string(key));
        word(std::to_string(value));
        require(ask(1).front() == ':', "redis: HSET");
    }
    int get(int key, const std::string& hash) {
        begin(3);
        word("HGET");
        word(hash);
        word(std::to_string(key));
        const std::string answer = ask(2);
        return std::atoi(answer.substr(answer.find('\n') + 1).c_str());
    }

  private:
    int fd_;
    bool connected_ = false;
    std::string text_;
};

void set_many(Client& client, int count, const std::string& hash) {
    for (int i = 0; i < count; ++i)
        client.set(i % keys, i, hash);
}

/// A server of our own, without a port and without files.
class Server {
  public:
    Server() : path_("/tmp/multiprocessing-redis-" + std::to_string(::getpid())) {
        pid_ = ::fork();
        if (pid_ == 0) {
            std::freopen("/dev/null", "w", stdout);
            ::execlp("redis-server", "redis-server", "--port", "0", "--unixsocket", path_.c_str(),
                     "--save", "", "--appendonly", "no", "--daemonize", "no", nullptr);
            ::_exit(127);
        }
    }
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;
    ~Server() {
        ::kill(pid_, SIGTERM);
        ::waitpid(pid_, nullptr, 0);
        ::unlink(path_.c_str());
    }
    [[nodiscard]] const std::string& path() const { return path_; }
    [[nodiscard]] bool answers() const {
        for (int i = 0; i < 500; ++i) {
            if (Client(path_).connected())
                return true;
            std::this_thread::sleep_for(std::chrono::milliseconds(10));
        }
        return false;
    }

  private:
    std::string path_;
    pid_t pid_;
};

/// Nanoseconds a call, `clients` processes at it, each with a hash of its own.
double set_clients(const std::string& path, int clients, int count) {
    const double time = together(clients, [&](int number, auto ready) {
        Client own(path);
        const std::string hash = "d" + std::to_string(number);
        set_many(own, 10, hash);
        ready();
        set_many(own, count / clients, hash);
    });
    return time * 1e9 / count;
}

}  // namespace

int main(int argc, char** argv) {
    const Options options(argc, argv);
    if (std::system("command -v redis-server >/dev/null") != 0) {
        std::fputs("redis-server is not installed: no comparison with it\n", stderr);
        return 0;
    }
    const Server server;
    require(server.answers(), "redis: it does not start");
    const int count = options.size(30'000, 500);
    Client client(server.path());
    set_many(client, keys, "d");
    if (options.wants("set")) {
        report("set", seconds([&] { set_many(client, count, "d"); }) * 1e9 / count, "ns");
        require(client.get((count - 1) % keys, "d") == count - 1, "set");
    }
    if (options.wants("get")) {
        long long sum = 0;
        const double time = seconds([&] {
            for (int i = 0; i < count; ++i)
                sum += client.get(i % keys, "d");
        });
        require(sum > 0, "get");
        report("get", time * 1e9 / count, "ns");
    }
    if (options.wants("set_4_clients"))
        report("set_4_clients", set_clients(server.path(), 4, count), "ns");
    measure_set_clients(options, [&](int clients, int calls) {
        return set_clients(server.path(), clients, calls);
    });
    measure_latency(options, [&](int i) { client.set(i % keys, i, "d"); });
    if (options.wants("increment")) {
        const double time = seconds([&] {
            for (int i = 0; i < count; ++i) {
                client.begin(4);
                for (const char* const word : {"HINCRBY", "counters", "a", "1"})
                    client.word(word);
                client.ask(1);
            }
        });
        require(client.get(0, "d") >= 0, "increment");
        report("increment", time * 1e9 / count, "ns");
    }
    if (options.wants("update")) {
        const int times = options.size(100, 2);
        const double time = seconds([&] {
            for (int i = 0; i < times; ++i) {
                client.begin(2 + 2 * 10'000);
                client.word("HSET");
                client.word("e");
                for (int k = 0; k < 10'000; ++k) {
                    client.word(std::to_string(k));
                    client.word(std::to_string(-k));
                }
                client.ask(1);
            }
        });
        require(client.get(9'999, "e") == -9'999, "update");
        report("update", time * 1e9 / times / 10'000, "ns");
    }
}
